"""The GPU: its primary context, which TensorRT's own calls use too.

A thread that calls CUDA makes that context current and puts it away again. Whatever PyCUDA made
under it has to be freed while it is current, or PyCUDA leaks it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

import pycuda.driver as cuda

from inference_worker.backends.tensorrt.errors import device_error

logger = logging.getLogger(__name__)

# On a device that has failed every call fails at once; a thread that hangs there is not waited for.
_OTHERS_S: Final = 10.0


class Gpu(NamedTuple):
    """What an engine is built for."""

    name: str
    compute_capability: str  # "8.9"
    memory_bytes: int


class Device:
    """One GPU, opened by this process."""

    def __init__(self) -> None:
        """The first that CUDA_VISIBLE_DEVICES leaves. Raises UserError if it can't be used."""
        self._users = _Users()
        try:
            cuda.init()
            device = cuda.Device(0)
            capability = ".".join(map(str, device.compute_capability()))
            self.gpu = Gpu(device.name(), capability, device.total_memory())
            self._context = device.retain_primary_context()
            with self.current():  # a device that is busy says so only when it is used
                cuda.mem_get_info()
        except cuda.Error as error:
            raise device_error(str(error), driver_version()) from error
        self._open = True

    @contextmanager
    def current(self) -> Iterator[None]:
        """Inside, this thread's calls are for this device. May be nested."""
        self._context.push()
        self._users.enter()
        try:
            yield
        finally:
            self._put_away()

    def _put_away(self) -> None:
        """After an error that sticks to the context this may fail too: the error counts.

        A thread that ends with a context on its stack makes PyCUDA abort the process. So it is
        given up, but not under a thread that is still in the midst of a batch.
        """
        try:
            cuda.Context.pop()
        except cuda.Error:
            if not self._users.leave(wait_s=_OTHERS_S):
                return  # this thread's outer use gives it up
            with suppress(cuda.Error):  # by another thread already
                self._context.detach()
            cuda.Context.get_current()  # takes what was detached off this thread's stack
        else:
            self._users.leave()

    @property
    def is_open(self) -> bool:
        """Whether `close` is still to come."""
        return self._open

    def free_bytes(self) -> int:
        """Of its memory, now."""
        with self.current():
            return cuda.mem_get_info()[0]

    def close(self) -> None:
        """Give the context back, after all that was made under it. Twice is fine."""
        if self._open:
            self._open = False
            # PyCUDA gives it back only where it is current, or to the thread that took it.
            with suppress(cuda.Error), self.current():
                self._context.detach()


class _Users:
    """The threads that have the context current."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._depth: dict[int, int] = {}  # by thread: how often it is in

    def enter(self) -> None:
        with self._changed:
            thread = threading.get_ident()
            self._depth[thread] = self._depth.get(thread, 0) + 1

    def leave(self, wait_s: float = 0.0) -> bool:
        """Whether this thread is out now; then it waits for the others too, so long at most."""
        thread = threading.get_ident()
        with self._changed:
            self._depth[thread] -= 1
            if self._depth[thread]:
                return False
            del self._depth[thread]
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._depth, wait_s)
        return True


def driver_version() -> str:
    """The newest CUDA that the driver knows: "12.6"; "?" where it doesn't say."""
    try:
        number = cuda.get_driver_version()
    except cuda.Error:
        return "?"
    return f"{number // 1000}.{number % 1000 // 10}"
