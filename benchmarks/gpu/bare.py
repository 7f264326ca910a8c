"""TensorRT alone: an engine, two streams, the same transfers, and nothing around them.

What our backend is compared with. One thread enqueues on the streams by turns; it waits for a
stream's last batch before it gives it the next one. The input lies in page-locked memory already.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np
import pycuda.driver as cuda
import tensorrt as trt
from numpy.typing import NDArray

from inference_worker.backends.tensorrt.device import Device
from runtime.errors import UserError

STREAMS = 2


class _Log(trt.ILogger):
    def __init__(self) -> None:
        super().__init__()

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
            print(f"TensorRT: {msg}")


class _Lane:
    """A stream with buffers of its own."""

    def __init__(self, engine: trt.ICudaEngine, batch: int) -> None:
        context = engine.create_execution_context()
        if context is None:
            raise UserError("the GPU has no memory left for the bare loop")
        self._context, self._stream = context, cuda.Stream(1)
        self._done = cuda.Event(cuda.event_flags.DISABLE_TIMING)
        self._in: list[tuple[cuda.DeviceAllocation, NDArray[np.uint8]]] = []
        self._out: list[tuple[cuda.DeviceAllocation, NDArray[np.uint8]]] = []
        if engine.num_optimization_profiles > 1:
            context.set_optimization_profile_async(_profile(engine, batch), self._stream.handle)
            self._stream.synchronize()
        names = [engine.get_tensor_name(at) for at in range(engine.num_io_tensors)]
        inputs = [one for one in names if engine.get_tensor_mode(one) == trt.TensorIOMode.INPUT]
        for name in inputs:
            count, *rest = engine.get_tensor_shape(name)
            if count == -1:
                context.set_input_shape(name, (batch, *rest))
        for name in names:
            host = cuda.pagelocked_empty(_bytes(engine, context, name), np.uint8)
            host[:] = 0
            device = cuda.mem_alloc(host.nbytes)
            context.set_tensor_address(name, int(device))
            (self._in if name in inputs else self._out).append((device, host))
        self._done.record(self._stream)

    def enqueue(self) -> None:
        """Waits for the batch before it, then sends the next one on its way."""
        self._done.synchronize()
        for device, host in self._in:
            cuda.memcpy_htod_async(device, host, self._stream)
        if not self._context.execute_async_v3(self._stream.handle):
            raise UserError("TensorRT failed in the bare loop")
        for device, host in self._out:
            cuda.memcpy_dtoh_async(host, device, self._stream)
        self._done.record(self._stream)

    def wait(self) -> None:
        self._done.synchronize()

    def close(self) -> None:
        self._stream.synchronize()
        for device, host in (*self._in, *self._out):
            device.free()
            host.base.free()  # type: ignore[union-attr]  # PyCUDA's allocation
        del self._context, self._stream, self._done


class BareLoop:
    """`run(count)`: so many batches of one size."""

    def __init__(self, device: Device, lanes: list[_Lane]) -> None:
        self._device, self._lanes = device, lanes

    def run(self, count: int) -> None:
        with self._device.current():
            for at in range(count):
                self._lanes[at % len(self._lanes)].enqueue()
            for lane in self._lanes:
                lane.wait()


@contextmanager
def bare_loop(engine_file: Path, batch: int) -> Iterator[BareLoop]:
    """Raises UserError if the engine can't be used."""
    device = Device()
    lanes: list[_Lane] = []
    try:
        with device.current():
            log = _Log()
            engine = trt.Runtime(log).deserialize_cuda_engine(engine_file.read_bytes())
            if engine is None:
                raise UserError(f"{engine_file}: TensorRT refuses this engine")
            for _ in range(STREAMS):
                lanes.append(_Lane(engine, batch))  # noqa: PERF401 - those before one that fails
            yield BareLoop(device, lanes)
    finally:
        with device.current():
            for lane in lanes:
                lane.close()
            engine = None  # after its contexts, and while its device is current
        device.close()


def _profile(engine: trt.ICudaEngine, batch: int) -> int:
    """The first that takes batches of this size."""
    name = engine.get_tensor_name(0)
    for at in range(engine.num_optimization_profiles):
        least, _, most = engine.get_tensor_profile_shape(name, at)
        if least[0] <= batch <= most[0]:
            return at
    raise UserError(f"the engine takes no batches of {batch}")


def _bytes(engine: trt.ICudaEngine, context: trt.IExecutionContext, name: str) -> int:
    shape = tuple(context.get_tensor_shape(name))
    if -1 in shape:
        raise UserError(f"the size of {name!r} is known only after it was computed")
    return max(1, prod(shape) * np.dtype(trt.nptype(engine.get_tensor_dtype(name))).itemsize)
