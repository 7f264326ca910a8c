"""Frames as they were decoded become the input tensor on the GPU, by one launch for a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pycuda.driver as cuda
from numpy.typing import NDArray

from inference_worker.backends.base import Pictures
from inference_worker.backends.tensorrt import staging
from inference_worker.backends.tensorrt.compiled_kernel import compiled_kernel
from inference_worker.backends.tensorrt.nvrtc import Nvrtc, find_nvrtc
from inference_worker.manifest import Input
from inference_worker.preprocess import scale_and_shift
from runtime.errors import UserError

# Threads: a warp along a row, whose writes are then in one or two lines of the cache.
BLOCK: Final = (32, 8, 1)
# Of a kernel of letterbox.cu: staged bytes, tensor, and `Target` as PyCUDA packs it.
ARGUMENTS: Final = "PPiiiiffffff"


class Letterbox:
    """The kernel that turns a batch of frames of any sizes into the input tensor.

    Same result as `Preprocessor`, to one grey level before mean and std. May be used by several
    threads at once, each with a stream of its own and the context current.
    """

    def __init__(self, spec: Input, cache: Path | None) -> None:
        """Compiles it for the current context's device, or takes it from `cache`, and loads it.

        Raises UserError where NVRTC is missing or the driver doesn't take what it makes.
        """
        nvrtc = find_nvrtc(cuda.get_driver_version() // 1000)
        capability = cuda.Context.get_device().compute_capability()
        self._module = _loaded(compiled_kernel(nvrtc, capability, cache), nvrtc)
        self._kernel = self._module.get_function(kernel_name(spec))
        self._kernel.prepare(ARGUMENTS)
        self._spec = spec
        self._target = target(spec)

    @staticmethod
    def staging_bytes(pictures: Pictures) -> int:
        """What `stage` will write."""
        return staging.staging_bytes(pictures)

    @staticmethod
    def stage(pictures: Pictures, buffer: NDArray[np.uint8]) -> int:
        """Write a batch into pinned memory; returns the bytes used.

        Raises ValueError if it doesn't fit.
        """
        return staging.stage(pictures, buffer)

    def launch(self, staged: int, count: int, tensor: int, stream: cuda.Stream) -> None:
        """Enqueue the kernel for a batch of `count` frames.

        `staged`, `tensor`: addresses on the device of what `stage` wrote, aligned to 8 bytes, and
        of the input. Both stay as they are until the stream has passed this point.
        """
        self._kernel.prepared_async_call(
            grid(self._spec, count), BLOCK, stream, staged, tensor, *self._target
        )


def kernel_name(spec: Input) -> str:
    """Of the entry point for this type and layout."""
    return f"letterbox_{spec.dtype}_{spec.layout}"


def grid(spec: Input, count: int) -> tuple[int, int, int]:
    """Blocks for `count` frames: a thread for each pixel of a plane, or each value of a row."""
    columns = spec.width if spec.layout == "nchw" else 3 * spec.width
    return -(-columns // BLOCK[0]), -(-spec.height // BLOCK[1]), count


def target(spec: Input) -> tuple[int | float, ...]:
    """`Target` of letterbox.cu, member by member."""
    scale, shift = scale_and_shift(spec)
    padding = 0 if spec.letterbox is None else spec.letterbox.value
    numbers = [*scale.tolist(), *shift.tolist()]
    return spec.width, spec.height, padding, int(spec.colour == "rgb"), *numbers


def _loaded(kernel: bytes, nvrtc: Nvrtc) -> cuda.Module:
    try:
        return cuda.module_from_buffer(kernel)
    except cuda.Error as error:
        raise UserError(
            f"the NVIDIA driver can't load the kernel that NVRTC {nvrtc.name} made: {error}; update"
            " the driver, or install the NVRTC of its own CUDA"
        ) from error
