"""Fake of what runs: runtime and engine."""

from __future__ import annotations

import weakref

import onnx

from tests.inference_worker.backends.fake_gpu.fake_trt_context import IExecutionContext
from tests.inference_worker.backends.fake_gpu.fake_trt_entrance import current, opened
from tests.inference_worker.backends.fake_gpu.fake_trt_graph import ITensor, ports
from tests.inference_worker.backends.fake_gpu.fake_trt_plan import Plan, decode
from tests.inference_worker.backends.fake_gpu.fake_trt_types import (
    DataType,
    Dims,
    ILogger,
    Severity,
    TensorIOMode,
    TensorLocation,
)
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu, gpu
from tests.inference_worker.backends.fake_gpu.memory import Allocation, OutOfMemoryError

_CONTEXT_BYTES = 1 << 16  # of the device's memory, for each context


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        null = not gpu().tensorrt.startswith("11.")
        self._gpu, self._usable = opened(logger, null=null)
        self._logger = logger

    def __del__(self) -> None:
        if not getattr(self, "_usable", True):
            self._gpu.misuse.append("a Runtime without a device is deleted: the process ends")

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        if not self._usable:
            self._gpu.note("a Runtime without a device is used: the process ends")
        current(self._gpu, "an engine is loaded")
        plan = decode(bytes(serialized_engine))
        if reason := self._problem(plan):
            self._logger.log(Severity.ERROR, reason)
            return None
        assert plan is not None
        if plan.gpu != self._gpu.name:
            text = f"an engine that was built for {plan.gpu!r} is used on {self._gpu.name!r}"
            self._logger.log(Severity.WARNING, text)
            self._gpu.misuse.append(text)  # it runs; how well, and how exactly, nobody knows
        weights = reserve(self._gpu, self._logger, len(plan.model), "the weights of an engine")
        return weights and ICudaEngine(self._gpu, self._logger, plan, weights)

    def _problem(self, plan: Plan | None) -> str:
        if plan is None:
            return "the engine can't be deserialized: magic tag or checksum does not match"
        if plan.tensorrt != self._gpu.tensorrt:
            return (
                "The engine plan file is not compatible with this version of TensorRT,"
                f" expecting library version {self._gpu.tensorrt} got {plan.tensorrt}"
            )
        if plan.compute_capability != self._gpu.compute_capability:
            return (
                "The engine plan file is generated on an incompatible device, expecting compute"
                f" {self._gpu.compute_capability} got compute {plan.compute_capability}"
            )
        return ""


class ICudaEngine:
    def __init__(self, machine: FakeGpu, logger: ILogger, plan: Plan, weights: Allocation) -> None:
        self._gpu, self._logger, self._plan = machine, logger, plan
        inputs, outputs = ports(onnx.load_from_string(plan.model))
        self._inputs = {port.name: port for port in inputs}
        self._outputs = {port.name: port for port in outputs}
        self._finalizer = weakref.finalize(self, machine.memory.free, weights)

    @property
    def name(self) -> str:
        return "Unnamed Network 0"

    @property
    def num_io_tensors(self) -> int:
        return len(self._inputs) + len(self._outputs)

    @property
    def num_optimization_profiles(self) -> int:
        return max(1, len(self._plan.profiles))

    @property
    def device_memory_size_v2(self) -> int:
        return _CONTEXT_BYTES

    def get_tensor_name(self, index: int) -> str:
        return [*self._inputs, *self._outputs][index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        if name in self._inputs:
            return TensorIOMode.INPUT
        return TensorIOMode.OUTPUT if name in self._outputs else TensorIOMode.NONE

    def get_tensor_dtype(self, name: str) -> DataType:
        return self._port(name).dtype

    def get_tensor_shape(self, name: str) -> Dims:
        return Dims(list(self._port(name).shape))

    def get_tensor_location(self, name: str) -> TensorLocation:
        return TensorLocation.DEVICE

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        if name not in self._inputs:
            self._gpu.note(f"{name}: only an input has shapes in a profile")
        if self._plan.profiles:
            return [Dims(shape) for shape in self._plan.profiles[profile_index][name]]
        return [self.get_tensor_shape(name)] * 3

    def create_execution_context(self) -> IExecutionContext | None:
        current(self._gpu, "an execution context is made")
        memory = reserve(self._gpu, self._logger, _CONTEXT_BYTES, "an execution context")
        return memory and IExecutionContext(self, self._gpu, self._logger, memory)

    def _port(self, name: str) -> ITensor:
        if name not in self._inputs and name not in self._outputs:
            self._gpu.note(f"the engine has no tensor {name!r}")
        return self._inputs.get(name) or self._outputs[name]


def reserve(machine: FakeGpu, logger: ILogger, size: int, owner: str) -> Allocation | None:
    if machine.broken:
        text = f"Cuda Runtime error: {machine.broken}"
        logger.log(Severity.ERROR, text)
        return None
    try:
        return machine.memory.allocate(size, owner)
    except OutOfMemoryError as error:
        text = f"{owner}: Cuda Runtime (out of memory): {error}"
        logger.log(Severity.ERROR, text)
        return None
