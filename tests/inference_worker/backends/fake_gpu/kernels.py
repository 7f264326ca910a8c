"""The letterbox kernels on simulated memory: letterbox.cu as C++, or OpenCV's twin of it."""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from inference_worker.backends.tensorrt.staging import FRAME
from tests.fixtures.compiler import compiler
from tests.inference_worker.backends.cuda_shim import HostKernels
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.backends.fake_gpu.memory import Bytes, IllegalAddressError
from tests.inference_worker.backends.fake_gpu.schedule import Range

_POINTERS = "PP"  # staged bytes, tensor: the first arguments
_TARGET = "iiiiffffff"  # `Target` of letterbox.cu
Launched = tuple[Callable[[], None], tuple[Range, ...], tuple[Range, ...]]


class Kernel:
    """One entry point: `letterbox_float32_nchw` …"""

    def __init__(self, name: str) -> None:
        _, kind, layout = name.split("_")
        self._name, self._dtype, self._first = name, np.dtype(kind), layout == "nchw"

    def launched(
        self, machine: FakeGpu, grid: tuple[int, ...], block: tuple[int, ...], packed: bytes
    ) -> Launched:
        """What is to run, what it reads and what it writes. `packed`: the arguments."""
        staged, tensor = struct.unpack_from(_POINTERS, packed)
        target = packed[struct.calcsize(_POINTERS) :]
        width, height = struct.unpack_from("ii", target)
        count = grid[2]
        size = count * 3 * width * height * self._dtype.itemsize
        try:
            end = staged + machine.memory.room(staged)
            machine.view(tensor, size)
        except IllegalAddressError as error:
            machine.note(f"{self._name}: {error}")

        def run() -> None:
            source = machine.view(staged, end - staged)
            _check(source, count)
            self._run(source, machine.view(tensor, size), grid, block, target)

        return run, ((staged, end),), ((tensor, tensor + size),)

    def _run(
        self, source: Bytes, into: Bytes, grid: Sequence[int], block: Sequence[int], target: bytes
    ) -> None:
        if (compiled := host_kernels()) is None:
            self._twin(source, into, grid[2], target)
            return
        addresses = (int(one.__array_interface__["data"][0]) for one in (source, into))
        compiled.launch(self._name, grid, block, struct.pack(_POINTERS, *addresses) + target)

    def _twin(self, source: Bytes, into: Bytes, count: int, target: bytes) -> None:
        """To a grey level what the kernel does."""
        width, height, padding, swap, *numbers = struct.unpack(_TARGET, target)
        scale, shift = np.array(numbers, np.float32).reshape(2, 3)
        tensor = into.view(self._dtype).reshape(count, -1)
        for one, frame in zip(tensor, _frames(source, count), strict=True):
            canvas = np.full((height, width, 3), padding, np.uint8)
            rows = slice(frame["top"], frame["top"] + frame["placed_height"])
            columns = slice(frame["left"], frame["left"] + frame["placed_width"])
            placed = (int(frame["placed_width"]), int(frame["placed_height"]))
            canvas[rows, columns] = cv2.resize(_pixels(source, frame), placed)
            values = (canvas[..., ::-1] if swap else canvas) * scale + shift
            if self._dtype == np.uint8:
                values = np.clip(np.rint(values), 0, 255)
            one[:] = (values.transpose(2, 0, 1) if self._first else values).reshape(-1)


@lru_cache(maxsize=1)
def host_kernels() -> HostKernels | None:
    """letterbox.cu as a library, compiled once for the process; None without a compiler."""
    if compiler() is None:
        return None
    with tempfile.TemporaryDirectory() as folder:  # once it is loaded the file may go
        return HostKernels(Path(folder))


def _frames(source: Bytes, count: int) -> np.ndarray:
    if count * FRAME.itemsize > source.size:
        raise IllegalAddressError(f"{count} frames are not in {source.size} staged bytes")
    return source[: count * FRAME.itemsize].view(FRAME)


def _check(source: Bytes, count: int) -> None:
    """Poison instead of descriptors would have the kernel read anywhere."""
    for frame in _frames(source, count):
        sides = [int(frame[name]) for name in ("width", "height", "placed_width", "placed_height")]
        end = int(frame["offset"]) + math.prod(sides[:2]) * 3
        if not all(0 < side <= 1 << 18 for side in sides) or end > source.size:
            raise IllegalAddressError(f"a frame is not where its descriptor says: {frame}")


def _pixels(source: Bytes, frame: np.void) -> np.ndarray:
    start, width, height = (int(frame[name]) for name in ("offset", "width", "height"))
    return source[start : start + 3 * width * height].reshape(height, width, 3)
