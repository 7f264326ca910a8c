"""How a role starts and stops.

SIGTERM or SIGINT: stop taking work, finish what is in hand, commit, exit 0. If that takes longer
than the deadline: exit 1 without it (nothing is lost: what was not committed is read again).
A second signal: exit at once. UserError: its text, exit 2. FatalError: its one line, exit 1.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from typing import Final, NoReturn

from pydantic import Field

from runtime.errors import FatalError, Unreachable, UserError
from runtime.settings import Section

log = logging.getLogger("onehertz")

EXIT_GOOD = 0
EXIT_FAILED = 1
EXIT_USAGE = 2

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class LifecycleSettings(Section):
    """How a role stops."""

    drain_deadline_s: float = Field(
        25.0,
        gt=0,
        le=86_400,
        description="After SIGTERM, finish and commit within this time, else exit 1.",
    )
    wait_for_kafka: bool = Field(
        False,
        description="Where no Kafka answers at the start, wait for it, rather than end with exit "
        "code 1: for supervisors that start again ever later, as Kubernetes does.",
    )


class Stop:
    """The wish to stop, seen by every loop of a role. All its methods are thread-safe."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def request(self) -> None:
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:
                log.exception("a defect in onehertz: a role could not be told to stop")

    def on_request(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, when the stop is requested (from another thread), or now if it is.

        It must not block.
        """
        with self._lock:
            if not self.requested:
                self._callbacks.append(callback)
                return
        callback()

    def wait(self, seconds: float) -> bool:
        """Sleep, unless and until the stop is requested. Whether it is."""
        return self._event.wait(max(0.0, seconds))


def run_role(role: Callable[[Stop], None], *, drain_deadline_s: float) -> int:
    """Run a role until it returns, and give the process' exit code. Main thread only."""
    stop = Stop()
    _watch_signals(stop, drain_deadline_s)
    threading.excepthook = _log_uncaught
    try:
        role(stop)
    except UserError as error:
        for line in str(error).splitlines():
            log.error("%s", line)
        # A supervisor tries again what may come back; what is configured wrongly stays so.
        return EXIT_FAILED if isinstance(error, Unreachable) else EXIT_USAGE
    except FatalError as error:
        log.error("stopped: %s", error)  # one clear line, no traceback
        return EXIT_FAILED
    except Exception:
        # A defect of ours: its traceback goes where secrets are hidden and JSON is JSON.
        log.exception("stopped by a defect in onehertz; please report it")
        return EXIT_FAILED
    if stop.requested:
        log.info("stopped as asked")
    return EXIT_GOOD


def hangups() -> Callable[[], bool]:
    """From now on SIGHUP ends nothing; the answer says whether one has come since it last said so.

    Main thread only.
    """
    came: list[int] = []  # appending needs no lock: the handler may run inside of anything
    signal.signal(signal.SIGHUP, lambda number, _: came.append(number))

    def asked() -> bool:
        if not came:
            return False
        came.clear()
        return True

    return asked


def _watch_signals(stop: Stop, drain_deadline_s: float) -> None:
    """Act on signals in a thread of its own, until the process ends.

    Python's own handlers run between two steps of the main thread. That may be inside a lock that
    the handler needs too, and it does not come while a client's C code waits for a server. A byte
    in the wakeup pipe comes at once.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_forget_signals)
    threading.Thread(
        target=_act_on_signals, args=(reading, stop, drain_deadline_s), name="signals", daemon=True
    ).start()


def _forget_signals() -> None:
    """In a child that some library forks: a signal to it must not go through the parent's pipe."""
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _act_on_signals(pipe: int, stop: Stop, drain_deadline_s: float) -> None:
    _next_signal(pipe, None)
    stop.request()
    if _next_signal(pipe, time.monotonic() + drain_deadline_s):
        log.error("stopped at once by a second signal")
    else:
        log.error("stopped: still not done %g s after the stop was asked for", drain_deadline_s)
    leave(EXIT_FAILED)


def leave(code: int) -> NoReturn:
    """End the process now, whatever other threads are at.

    At its usual end Python ends a daemon thread as that comes back from an engine's code. For C++
    that is an error: SIGABRT, "terminate called without an active exception".
    """
    logging.shutdown()
    os._exit(code)


def _next_signal(pipe: int, deadline_s: float | None) -> bool:
    """Wait for a signal to stop. False: the deadline (monotonic) has come first."""
    while True:
        left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
        if not select.select([pipe], [], [], left_s)[0]:
            return False
        if os.read(pipe, 1)[0] in _SIGNALS:
            return True


def _log_uncaught(raised: threading.ExceptHookArgs) -> None:
    if raised.exc_value is not None and raised.exc_type is not SystemExit:
        name = raised.thread.name if raised.thread else "?"
        log.error("a defect in onehertz ended the thread %s", name, exc_info=raised.exc_value)
