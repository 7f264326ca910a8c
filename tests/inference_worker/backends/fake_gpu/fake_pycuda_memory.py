"""Fake of PyCUDA's device memory and page-locked memory."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np

from tests.inference_worker.backends.fake_gpu.errors import cuda_error
from tests.inference_worker.backends.fake_gpu.host import Pinned
from tests.inference_worker.backends.fake_gpu.machine import gpu
from tests.inference_worker.backends.fake_gpu.memory import Allocation, OutOfMemoryError


class Dependent:
    """What belongs to the context under which it was made, and is freed only under that."""

    def __init__(self, routine: str) -> None:
        self._gpu = gpu()
        self._gpu.call(routine)
        self._context = self._gpu.contexts.current()

    def _may_free(self, warn: Callable[[str], object]) -> bool:
        if self._gpu.contexts.may_free(self._context):
            return True
        if self._context.valid:
            warn(f"{type(self).__name__} in out-of-thread context could not be cleaned up")
        return False


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=4)


class DeviceAllocation(Dependent):
    def __init__(self, size: int) -> None:
        super().__init__("cuMemAlloc")
        self._allocation: Allocation | None = None
        if size == 0:
            raise cuda_error("cuMemAlloc", "INVALID_VALUE")
        self._allocation = self._gpu.allocate(size, f"allocation of {size} bytes", "cuMemAlloc")
        self._address = self._allocation.address

    def __int__(self) -> int:
        return self._address

    __index__ = __int__

    def free(self) -> None:
        if self._allocation is None:
            raise cuda_error("device_allocation::free", "INVALID_HANDLE")
        self._free(_warn, self._gpu.note)

    def _free(self, warn: Callable[[str], object], tell: Callable[[str], object]) -> None:
        allocation, self._allocation = self._allocation, None
        if self._may_free(warn):
            self._gpu.free(allocation, tell)

    def __del__(self) -> None:
        if getattr(self, "_allocation", None) is not None:
            self._free(self._gpu.misuse.append, self._gpu.misuse.append)


class PagelockedHostAllocation(Dependent):
    """Numpy makes an array of it whose `base` it is, as PyCUDA does."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
        super().__init__("cuMemHostAlloc")
        self._pinned: Pinned | None = None
        try:
            self._pinned = self._gpu.host.allocate(math.prod(shape) * dtype.itemsize)
        except OutOfMemoryError:
            raise cuda_error("cuMemHostAlloc", "OUT_OF_MEMORY") from None
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": dtype.str,
            "data": (self._pinned.start, False),
        }

    def free(self) -> None:
        if self._pinned is None:
            raise cuda_error("pagelocked_host_allocation::free", "INVALID_HANDLE")
        self._free(_warn, self._gpu.note)

    def _free(self, warn: Callable[[str], object], tell: Callable[[str], object]) -> None:
        pinned, self._pinned = self._pinned, None
        if self._may_free(warn):
            used = self._gpu.schedule.touching((pinned.start, pinned.start + pinned.data.size))
            self._gpu.host.free(pinned)
            if used and not self._gpu.broken:
                tell(f"pinned memory was freed, and nobody has waited for {used[0]}")

    def __del__(self) -> None:
        if getattr(self, "_pinned", None) is not None:
            self._free(self._gpu.misuse.append, self._gpu.misuse.append)
