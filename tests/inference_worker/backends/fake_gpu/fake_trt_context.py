"""Fake of TensorRT's execution context: shapes, addresses, and one batch at a time."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tests.inference_worker.backends.fake_gpu.fake_trt_compute import compute, output_shapes
from tests.inference_worker.backends.fake_gpu.fake_trt_types import (
    Dims,
    ILogger,
    Severity,
    nptype,
)
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.backends.fake_gpu.memory import Allocation, IllegalAddressError
from tests.inference_worker.backends.fake_gpu.schedule import Range

if TYPE_CHECKING:
    from tests.inference_worker.backends.fake_gpu.fake_trt_engine import ICudaEngine

_ALIGNMENT = 256  # documented for setTensorAddress
Shape = tuple[int, ...]


class _NoDims(Dims):
    """nbDims of -1: an error, which Python's `len` turns into a ValueError."""

    def __len__(self) -> int:
        raise ValueError("__len__() should return >= 0")

    __iter__ = None  # type: ignore[assignment] # by __len__ and __getitem__, as pybind11's


class IExecutionContext:
    def __init__(
        self, engine: ICudaEngine, machine: FakeGpu, logger: ILogger, memory: Allocation
    ) -> None:
        self._engine, self._gpu, self._logger = engine, machine, logger
        self._profile = 0  # until another is chosen (NvInferRuntime.h)
        self._shapes: dict[str, Shape] = {
            name: tuple(port.shape)
            for name, port in engine._inputs.items()
            if -1 not in list(port.shape)
        }
        self._addresses: dict[str, int] = {}
        self._itself = object()  # what two streams may not use at once; keeps nothing alive
        self._finalizer = weakref.finalize(self, _give_back, machine, memory, self._itself)

    @property
    def engine(self) -> ICudaEngine:
        return self._engine

    @property
    def active_optimization_profile(self) -> int:
        return self._profile

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        with self._gpu.lock:
            failing = self._gpu.fails.pop("setOptimizationProfileAsync", None)
            if failing:
                self._refuse(f"Error Code 2: {failing} (Requested size was 512 bytes.)")
            if failing or not 0 <= profile_index < self._engine.num_optimization_profiles:
                raise RuntimeError("Error in set optimization profile async.")
            self._gpu.enqueue("profile", stream_handle, lambda: None, user=self._itself)
        self._profile = profile_index
        for name, port in self._engine._inputs.items():
            if -1 in list(port.shape):
                self._shapes.pop(name, None)  # a new profile forgets them
        return True

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        port, sizes = self._engine._inputs.get(name), tuple(shape)
        if port is None:
            return self._refuse(f"setInputShape: {name!r} is no input")
        least, _, most = self._engine.get_tensor_profile_shape(name, self._profile)
        if len(sizes) != len(least) or any(
            not low <= size <= high for low, size, high in zip(least, sizes, most, strict=True)
        ):
            return self._refuse(
                f"setInputShape: {sizes} of {name} is outside of the profile {least} to {most}"
            )
        self._shapes[name] = sizes
        return True

    def get_tensor_shape(self, name: str) -> Dims:
        if name in self._shapes:
            return Dims(self._shapes[name])
        outputs = self._outputs()
        if name in self._engine._outputs and outputs is None:
            self._refuse(f"the shape of {name} can't be worked out for {self._shapes}")
            return _NoDims()
        if outputs and name in outputs:
            return Dims(outputs[name])
        return self._engine.get_tensor_shape(name)

    def get_tensor_strides(self, name: str) -> Dims:
        sizes = list(self.get_tensor_shape(name))
        return Dims([math.prod(sizes[at + 1 :]) for at in range(len(sizes))])

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if name not in self._engine._inputs and name not in self._engine._outputs:
            return self._refuse(f"setTensorAddress: {name!r} is no tensor of the engine")
        if memory % _ALIGNMENT:
            self._gpu.note(f"the address of {name} is not aligned to {_ALIGNMENT} bytes")
        self._addresses[name] = int(memory)
        return True

    def get_tensor_address(self, name: str) -> int:
        return self._addresses.get(name, 0)

    def infer_shapes(self) -> list[str]:
        missing = [name for name in self._engine._inputs if name not in self._shapes]
        if not missing and self._outputs() is None:
            self._refuse(f"shapes can't be worked out for {self._shapes}")
            raise RuntimeError("infer_shapes error code: -1")
        return missing

    def execute_async_v3(self, stream_handle: int) -> bool:
        with self._gpu.lock:
            if self._gpu.contexts.current() is None:
                self._gpu.note("execute_async_v3 in a thread without a context")
            if reason := self._problem():
                return self._refuse(f"enqueueV3: {reason}")
            self._enqueue(stream_handle)
        return True

    def _problem(self) -> str:
        failing = self._gpu.broken or self._gpu.fails.pop("enqueueV3", None)
        if failing:
            return f"Cuda Runtime error ({failing})"
        if missing := [name for name in self._engine._inputs if name not in self._shapes]:
            return f"the shape of the inputs {missing} has not been set"
        tensors = [*self._engine._inputs, *self._engine._outputs]
        if missing := [name for name in tensors if not self._addresses.get(name)]:
            return f"the address of {missing} has not been set"
        if self._outputs() is None:
            return f"the network can't be run with {self._shapes}"
        return ""

    def _enqueue(self, stream: int) -> None:
        machine, plan = self._gpu, self._engine._plan
        inputs = {name: self._located(name, self._shapes[name]) for name in self._engine._inputs}
        outputs = {name: self._located(name, shape) for name, shape in self._outputs().items()}

        def run() -> None:
            given = {
                name: machine.view(address, size).view(dtype).reshape(shape)
                for name, (address, size, dtype, shape) in inputs.items()
            }
            found = compute(plan.model, given, tf32=plan.tf32)
            for name, (address, size, dtype, _) in outputs.items():
                array = np.ascontiguousarray(found[name], dtype=dtype)
                machine.view(address, size)[:] = array.reshape(-1).view(np.uint8)

        machine.enqueue(
            "execute",
            stream,
            run,
            reads=tuple(_range(where) for where in inputs.values()),
            writes=tuple(_range(where) for where in outputs.values()),
            user=self._itself,
        )

    def _located(self, name: str, shape: Shape) -> tuple[int, int, np.dtype[np.generic], Shape]:
        """Address, bytes, type and shape. TensorRT would believe that there are enough."""
        dtype = np.dtype(nptype(self._engine.get_tensor_dtype(name)))
        size = math.prod(shape) * dtype.itemsize
        try:
            self._gpu.view(self._addresses[name], size)
        except IllegalAddressError as error:
            self._gpu.note(f"the tensor {name} of {shape} {dtype}: {error}")
        return self._addresses[name], size, dtype, shape

    def _outputs(self) -> dict[str, Shape] | None:
        """Empty as long as an input has no shape; None if those that they have don't work."""
        if len(self._shapes) < len(self._engine._inputs):
            return {}
        return output_shapes(self._engine._plan.model, tuple(sorted(self._shapes.items())))

    def _refuse(self, text: str) -> bool:
        self._logger.log(Severity.ERROR, text)
        return False


def _range(where: tuple[int, int, np.dtype[np.generic], Shape]) -> Range:
    return where[0], where[0] + where[1]


def _give_back(machine: FakeGpu, memory: Allocation, itself: object) -> None:
    machine.memory.free(memory)
    if not machine.broken and any(one.user is itself for one in machine.schedule.unsettled()):
        machine.misuse.append("an execution context is gone, and nobody has waited for its work")
