"""One at a time starts or stops the stack of a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onehertz.stack.problem import Problem

LOCK = "lock"


def holder(folder: Path) -> str | None:
    """Who is at work on the stack in `folder` now, or None."""
    try:
        with (folder / LOCK).open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read().strip() or "another process"
    except OSError:
        return None
    return None


@contextmanager
def locked(folder: Path, doing: str) -> Iterator[None]:
    """Keep others from starting or stopping the stack in `folder` meanwhile.

    The kernel frees the lock when its holder dies, so it is never stale. Raises Problem where
    another process holds it.
    """
    try:
        lock = (folder / LOCK).open("a+")
    except OSError as error:
        raise Problem(
            f"{folder / LOCK}: {error.strerror}", "Choose another folder with --folder"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Problem(
                f"{folder}: {lock.read().strip() or 'another process'} is at work on this stack",
                "Wait for it, or choose another folder with --folder",
            ) from None
        lock.truncate(0)
        lock.write(f"`onehertz {doing}` (process {os.getpid()})")
        lock.flush()
        yield
