"""One batch under way: a stream, an execution context for each profile, and memory of its own.

Memory is allocated once, for the largest batch: pinned on the host, so that copies need no thread,
and on the device. All work of a batch is enqueued on the lane's stream: up, compute, down, and an
event that the calling thread sleeps on. Two lanes copy and compute side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pycuda.driver as cuda
import tensorrt as trt
from numpy.typing import NDArray

from inference_worker.backends.base import EngineBroken, Outputs, Pictures, Tensor, batch_first
from inference_worker.backends.tensorrt.errors import OutOfMemory, is_out_of_memory
from inference_worker.backends.tensorrt.loaded import Loaded, Port
from inference_worker.backends.tensorrt.profiles import profile_for
from runtime.errors import FatalError, UserError

if TYPE_CHECKING:
    from inference_worker.backends.tensorrt.letterbox import Letterbox


class Frames(NamedTuple):
    """How a lane makes the input of frames."""

    letterbox: Letterbox
    port: str  # the input that it makes
    staging_bytes: int  # for the frames of a batch, as they were decoded


class Buffer:
    """Bytes that are pinned on the host, and as many on the device."""

    def __init__(self, size: int) -> None:
        """Raises PyCUDA's errors."""
        self.host: NDArray[np.uint8] = cuda.pagelocked_empty(size, np.uint8)
        self.device = cuda.mem_alloc(size)
        self.address = int(self.device)

    def free(self) -> None:
        """Nothing may be under way."""
        self.device.free()
        del self.host


class Lane:
    """Used by one thread at a time. The device is current in whoever calls."""

    def __init__(self, loaded: Loaded, max_batch: int, frames: Frames | None) -> None:
        """Raises OutOfMemory, EngineBroken; UserError if an output's size depends on the image."""
        self._loaded = loaded
        self._frames = frames
        self._buffers: dict[str, Buffer] = {}
        self._staging: Buffer | None = None
        self._contexts: list[trt.IExecutionContext] = []
        try:
            self._stream = cuda.Stream()
            # Blocking: the thread sleeps, where it would otherwise spin on a core.
            flags = cuda.event_flags.BLOCKING_SYNC | cuda.event_flags.DISABLE_TIMING
            self._done = cuda.Event(flags)
            self._allocate(max_batch)
        except cuda.MemoryError as error:
            self.close()
            raise OutOfMemory(str(error)) from error
        except cuda.Error as error:
            self.close()
            raise EngineBroken(f"the GPU failed: {error}") from error
        except BaseException:
            self.close()
            raise

    def infer(self, inputs: Mapping[str, Tensor], batch: int) -> Outputs:
        """Run a batch; the arrays that come back are the caller's.

        Raises OutOfMemory, FatalError; EngineBroken if the device fails.
        """
        return self._guarded(batch, lambda: self._upload(inputs, batch))

    def infer_pictures(self, pictures: Pictures, told: Mapping[str, Tensor]) -> Outputs:
        """The same, for frames that fit into the staging memory. `told`: the other inputs."""
        batch = len(pictures.images)

        def fill() -> None:
            self._upload_pictures(pictures)
            self._upload(told, batch)

        return self._guarded(batch, fill)

    def close(self) -> None:
        """Give all back, after what is under way. Never raises; twice is fine."""
        with suppress(cuda.Error, AttributeError):
            self._stream.synchronize()
        self._contexts.clear()  # before the memory that they know the addresses of
        self._frames = None  # the kernel's module: once its context is gone it can't be unloaded
        buffers = [*self._buffers.values(), *([self._staging] if self._staging else [])]
        self._buffers, self._staging, self._frames = {}, None, None
        for buffer in buffers:
            with suppress(cuda.Error):
                buffer.free()
        for own in ("_stream", "_done"):  # PyCUDA gives back what nobody refers to
            vars(self).pop(own, None)

    # ------------------------------------------------------------ set-up

    def _allocate(self, max_batch: int) -> None:
        loaded = self._loaded
        used = [at for at, one in enumerate(loaded.profiles) if one.least <= max_batch]
        for at in used:  # one by one: those that there are have to outlive what is enqueued
            self._contexts.append(loaded.context(at, self._stream.handle))
        self._stream.synchronize()  # a profile is chosen by a copy on the stream
        sizes: dict[str, int] = {}
        for at, context in zip(used, self._contexts, strict=True):
            most = min(loaded.profiles[at].most, max_batch)
            try:
                shapes = self._shapes(context, most)
            except FatalError as error:
                raise UserError(
                    f"{error}; where the graph is made for less, say `max_batch` in the manifest"
                ) from error
            for port in (*loaded.inputs, *loaded.outputs):
                needed = port.bytes_of(shapes[port.name])
                sizes[port.name] = max(sizes.get(port.name, 0), needed)
        for name, size in sizes.items():
            self._buffers[name] = Buffer(size)
        if self._frames is not None:
            self._staging = Buffer(self._frames.staging_bytes)
        for context in self._contexts:
            for name, buffer in self._buffers.items():
                if not context.set_tensor_address(name, buffer.address):
                    raise UserError(f"TensorRT refuses {name!r}: {loaded.log.errors()}")

    def _shapes(self, context: trt.IExecutionContext, batch: int) -> dict[str, tuple[int, ...]]:
        """Tell the context the batch; the shapes of all inputs and outputs. Raises FatalError."""
        loaded = self._loaded
        shapes = {}
        for port in loaded.inputs:
            shape = (batch, *port.shape[1:])
            if not context.set_input_shape(port.name, shape):
                raise FatalError(f"TensorRT takes no batch of {batch}: {loaded.log.errors()}")
            shapes[port.name] = shape
        for port in loaded.outputs:
            try:
                shape = tuple(context.get_tensor_shape(port.name))
            except (TypeError, ValueError) as error:  # of a negative length: there is none
                reason = loaded.log.errors()
                raise FatalError(f"TensorRT can't run a batch of {batch}: {reason}") from error
            if -1 in shape:
                raise UserError(
                    f"the size of the output {port.name!r} depends on what is on the image, as"
                    " where the graph has NonMaxSuppression: export the model without it (onehertz"
                    " suppresses by itself), or use `backend: onnxruntime`"
                )
            shapes[port.name] = shape
        return shapes

    # ------------------------------------------------------------ a batch

    def _guarded(self, batch: int, fill: Callable[[], None]) -> Outputs:
        """Whatever goes wrong, nothing is under way any more when it is told of."""
        done = False
        try:
            outputs = self._run(batch, fill)
            done = True
        except cuda.MemoryError as error:
            raise OutOfMemory(str(error)) from error
        except cuda.Error as error:
            raise EngineBroken(f"the GPU failed on a batch of {batch}: {error}") from error
        finally:
            if not done:
                with suppress(cuda.Error):
                    self._stream.synchronize()
        return outputs

    def _run(self, batch: int, fill: Callable[[], None]) -> Outputs:
        context = self._contexts[profile_for(batch, self._loaded.profiles)]
        shapes = self._shapes(context, batch)
        fill()
        self._loaded.log.clear()
        if not context.execute_async_v3(self._stream.handle):
            reason = self._loaded.log.errors()
            self._stream.synchronize()  # a device that failed says so here
            if is_out_of_memory(reason):
                raise OutOfMemory(reason)
            raise FatalError(f"TensorRT failed on a batch of {batch}: {reason}")
        down = {port: self._download(port, shapes[port.name]) for port in self._loaded.outputs}
        self._done.record(self._stream)
        self._done.synchronize()
        return {
            port.name: batch_first(port.name, array, batch).astype(np.float32)
            for port, array in down.items()
        }

    def _upload(self, inputs: Mapping[str, Tensor], batch: int) -> None:
        for port in self._loaded.inputs:
            if (tensor := inputs.get(port.name)) is None:
                continue  # it is made of frames
            shape = (batch, *port.shape[1:])
            if tensor.shape != shape:
                raise FatalError(
                    f"a batch of {batch}: the input {port.name!r} has the shape"
                    f" {tensor.shape[1:]}, the model takes {shape[1:]}"
                )
            buffer = self._buffers[port.name]
            pinned = port.view(buffer.host, shape)
            np.copyto(pinned, tensor, casting="same_kind")
            cuda.memcpy_htod_async(buffer.address, pinned, self._stream)

    def _upload_pictures(self, pictures: Pictures) -> None:
        if self._frames is None or self._staging is None:
            raise ValueError("the engine was not told how frames become its input")
        used = self._frames.letterbox.stage(pictures, self._staging.host)
        cuda.memcpy_htod_async(self._staging.address, self._staging.host[:used], self._stream)
        tensor = self._buffers[self._frames.port].address
        self._frames.letterbox.launch(
            self._staging.address, len(pictures.images), tensor, self._stream
        )

    def _download(self, port: Port, shape: tuple[int, ...]) -> Tensor:
        """Enqueue it; what is in the array that comes back is there once the event is."""
        buffer = self._buffers[port.name]
        if port.bytes_of(shape) > len(buffer.host):
            raise FatalError(f"the output {port.name!r} has outgrown its memory: {shape}")
        array = port.view(buffer.host, shape)
        cuda.memcpy_dtoh_async(array, buffer.address, self._stream)
        return array
