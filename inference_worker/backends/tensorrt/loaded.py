"""An engine on the device: what goes in, what comes out, and contexts to run it in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import tensorrt as trt

from inference_worker.backends.base import EngineBroken, Tensor
from inference_worker.backends.tensorrt.build import opened
from inference_worker.backends.tensorrt.errors import OutOfMemory, is_out_of_memory
from inference_worker.backends.tensorrt.log import Log
from inference_worker.backends.tensorrt.profiles import Profile
from runtime.errors import UserError

_TYPES: Final[dict[int, np.dtype[np.generic]]] = {
    int(trt.DataType.FLOAT): np.dtype(np.float32),
    int(trt.DataType.HALF): np.dtype(np.float16),
    int(trt.DataType.INT8): np.dtype(np.int8),
    int(trt.DataType.UINT8): np.dtype(np.uint8),
    int(trt.DataType.INT32): np.dtype(np.int32),
    int(trt.DataType.INT64): np.dtype(np.int64),
    int(trt.DataType.BOOL): np.dtype(np.bool_),
}


class Port(NamedTuple):
    """An input or an output."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]  # with the batch; -1: free

    def bytes_of(self, shape: Sequence[int]) -> int:
        """What a tensor of this shape takes; at least one, since nothing has no address."""
        return max(1, int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize)

    def view(self, memory: Tensor, shape: Sequence[int]) -> Tensor:
        """The beginning of some bytes, as a tensor of this shape."""
        count = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        return memory[:count].view(self.dtype).reshape(tuple(shape))


class Loaded:
    """An engine, deserialised. The device is current in whoever calls."""

    def __init__(self, plan: bytes, profiles: Sequence[Profile], log: Log) -> None:
        """Raises Stale where TensorRT doesn't take it, OutOfMemory."""
        self.log = log
        self.profiles = tuple(profiles)
        self._runtime = opened(trt.Runtime, log)
        log.clear()
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            reason = log.errors()
            raise OutOfMemory(reason) if is_out_of_memory(reason) else Stale(reason)
        self.engine = engine
        names = [engine.get_tensor_name(at) for at in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        self.inputs = tuple(map(self._port, inputs))
        self.outputs = tuple(self._port(name) for name in names if name not in inputs)

    @property
    def free(self) -> bool:
        """Whether its batch is free: then each batch has to be told, and its profile chosen."""
        return any(-1 in port.shape for port in self.inputs)

    def context(self, profile: int, stream: int) -> trt.IExecutionContext:
        """One for batches of a profile. Raises OutOfMemory, EngineBroken.

        `stream`: its handle, which has to be waited for before anything else is done.
        """
        self.log.clear()
        context = self.engine.create_execution_context()
        if context is None:
            reason = self.log.errors()
            raise OutOfMemory(reason) if is_out_of_memory(reason) else EngineBroken(reason)
        if self.free:
            self._choose(context, profile, stream)
        return context

    def _choose(self, context: trt.IExecutionContext, profile: int, stream: int) -> None:
        try:
            context.set_optimization_profile_async(profile, stream)
        except RuntimeError as error:  # TensorRT's False, as its bindings tell it
            reason = self.log.errors()
            if is_out_of_memory(reason):
                raise OutOfMemory(reason) from error
            raise EngineBroken(f"the profile {profile} can't be chosen: {reason}") from error

    def close(self) -> None:
        """The engine, and then what it came from. No context of it may be left."""
        vars(self).pop("engine", None)
        vars(self).pop("_runtime", None)

    def _port(self, name: str) -> Port:
        engine = self.engine
        dtype = _TYPES.get(int(engine.get_tensor_dtype(name)))
        if dtype is None or engine.get_tensor_location(name) != trt.TensorLocation.DEVICE:
            raise UserError(
                f"the input or output {name!r} is of a kind that onehertz has no use for"
                f" ({engine.get_tensor_dtype(name).name}); use `backend: onnxruntime`"
            )
        return Port(name, dtype, tuple(engine.get_tensor_shape(name)))


class Stale(Exception):
    """An engine that this TensorRT or this GPU refuses; its text says why."""
