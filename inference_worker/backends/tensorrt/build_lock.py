"""One worker builds an engine, the others that want the same wait for it; none waits for ever.

A file that only one can make (O_EXCL), also on NFS, where flock may hang for ever or do nothing.
Its owner touches it while it builds. Who waits looks only at whether that goes on, by its own
clock, so that clocks of machines need not agree.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

_ABANDONED_S: Final = 60.0  # without a touch, which comes every 5 s
_PATIENCE_S: Final = 3_600.0  # then it is built twice: a build that hangs goes on touching
_LOOK_EVERY_S: Final = 1.0
_SAY_EVERY_S: Final = 60.0
_held: set[str] = set()  # what the locks of this process have in them


@dataclass(frozen=True)
class Waiting:
    """How time passes; in tests it doesn't."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class BuildLock:
    """A file beside the engine to be."""

    def __init__(self, path: Path, waiting: Waiting | None = None) -> None:
        self._path = path
        self._waiting = waiting or Waiting()
        self._mine = f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"

    @contextmanager
    def held(self, done: Callable[[], bool]) -> Iterator[bool]:
        """Wait for the lock; False where `done` says meanwhile that it is needed no more.

        Raises OSError where the folder can't be written.
        """
        if not self._take(done):
            yield False
            return
        try:
            yield True
        finally:
            self._give_back()

    def touch(self) -> None:
        """Say that the build goes on."""
        with suppress(OSError):  # taken over: then two build, and the last one's engine stays
            os.utime(self._path)

    def _take(self, done: Callable[[], bool]) -> bool:
        now_s = self._waiting.now()
        give_up_s, say_s, changed_s = now_s + _PATIENCE_S, now_s, now_s
        seen = self._state()
        while not self._make():
            if done():
                return False
            now_s = self._waiting.now()
            if (state := self._state()) != seen:
                seen, changed_s = state, now_s
            if self._left(now_s - changed_s) or now_s > give_up_s:
                self._remove(seen)
                continue
            if now_s >= say_s:
                say_s = now_s + _SAY_EVERY_S
                logger.info("another worker (%s) builds this engine: waiting", self._owner())
            self._waiting.sleep(_LOOK_EVERY_S)
        _held.add(self._mine)
        if done():  # it was built just before
            self._give_back()
            return False
        return True

    def _give_back(self) -> None:
        _held.discard(self._mine)
        if self._read() == self._mine:
            self._path.unlink(missing_ok=True)

    def _make(self) -> bool:
        try:
            file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(file, "w", encoding="utf-8") as lock:
            lock.write(self._mine)
        return True

    def _left(self, unchanged_s: float) -> bool:
        """Whether its owner is gone: a process of this machine that is no more, or silent."""
        if unchanged_s > _ABANDONED_S:
            return True
        content = self._read()
        host, _, rest = content.partition(" ")
        number = rest.partition(" ")[0]
        if content in _held or host != socket.gethostname() or not number.isdigit():
            return False
        # A container that starts again has its old name and number.
        return int(number) == os.getpid() or not Path(f"/proc/{number}").exists()

    def _remove(self, seen: tuple[str, int] | None) -> None:
        """Another one may have done so already, and made its own: then it has changed."""
        if seen is not None and self._state() == seen:
            self._path.unlink(missing_ok=True)
            logger.warning("%s was left by a worker that is gone: taken over", self._path)

    def _state(self) -> tuple[str, int] | None:
        try:
            return self._read(), self._path.stat().st_mtime_ns
        except OSError:
            return None

    def _owner(self) -> str:
        return " ".join(self._read().split()[:2]) or "unknown"

    def _read(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8")
        except OSError:
            return ""
