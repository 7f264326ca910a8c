"""How a role starts and stops.

SIGTERM or SIGINT: stop taking work, finish what is in hand, commit, exit 0. If that takes longer
than the deadline: exit 1 without it (nothing is lost: what was not committed is read again).
A second signal: exit at once. UserError: its text, exit 2. FatalError: its one line, exit 1.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from pydantic import Field

from runtime.errors import FatalError, UserError
from runtime.settings import Section

log = logging.getLogger("onehertz")

EXIT_GOOD = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


class LifecycleSettings(Section):
    """How a role stops."""

    drain_deadline_s: float = Field(
        25.0, gt=0, description="After SIGTERM, finish and commit within this time, else exit 1."
    )


class Stop:
    """The wish to stop, seen by every loop of a role."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def request(self) -> None:
        self._event.set()
        for callback in self._callbacks:
            callback()

    def on_request(self, callback: Callable[[], None]) -> None:
        """Call `callback` (from a signal handler: keep it tiny) when the stop is requested."""
        self._callbacks.append(callback)

    def wait(self, seconds: float) -> bool:
        """Sleep, unless and until the stop is requested. Whether it is."""
        return self._event.wait(max(0.0, seconds))


def run_role(role: Callable[[Stop], None], *, drain_deadline_s: float) -> int:
    """Run a role until it returns, and give the process' exit code."""
    stop = Stop()
    _handle_signals(stop, drain_deadline_s)
    try:
        role(stop)
    except UserError as error:
        sys.stderr.write(f"onehertz: {error}\n")
        return EXIT_USAGE
    except FatalError as error:
        log.error("stopped: %s", error)  # one clear line, no traceback
        return EXIT_FAILED
    if stop.requested:
        log.info("stopped as asked")
    return EXIT_GOOD


def _handle_signals(stop: Stop, drain_deadline_s: float) -> None:
    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.requested:
            os._exit(EXIT_FAILED)
        timer = threading.Timer(drain_deadline_s, _give_up, (drain_deadline_s,))
        timer.daemon = True
        timer.start()
        stop.request()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def _give_up(deadline_s: float) -> None:
    log.error("stopped: still not done %.0f s after the stop was asked for", deadline_s)
    logging.shutdown()
    os._exit(EXIT_FAILED)
