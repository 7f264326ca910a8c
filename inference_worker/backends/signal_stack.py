"""Keeps the stack on which a thread's signal handlers run what it was.

OpenVINO's CPU plugin sets one of its own for the thread that makes it, frees it as it goes, and
puts the one from before back. Of two that go in the order in which they came, the second puts a
stack back that is freed already: the next signal, a SIGTERM say, ends the process with a SIGSEGV
(seen with OpenVINO 2026.4.1). One that is not the thread's any more as it goes is left alone.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """`stack_t` of Linux, see sigaltstack(2)."""

    _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """What is done inside has no effect on the signal stack of this thread. Linux only."""
    if sys.platform != "linux":
        yield
        return
    before = _Stack()
    _exchange(None, before)
    try:
        yield
    finally:
        _exchange(before, None)


def current_signal_stack() -> tuple[int | None, int]:
    """Address and size in bytes of this thread's; (None, 0) where handlers run on its own."""
    now = _Stack()
    _exchange(None, now)
    return now.sp, now.size


def _exchange(new: _Stack | None, old: _Stack | None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.sigaltstack(new and ctypes.byref(new), old and ctypes.byref(old)) != 0:
        raise OSError(ctypes.get_errno(), "sigaltstack")
