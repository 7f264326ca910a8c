"""What systemd is told of a role (`Type=notify`): datagrams to its socket, see sd_notify(3).

READY=1 once the role serves; until then, that it needs more time, for as long as it is alive.
WATCHDOG=1 while it is alive, as `/healthz` has it: a role whose loop stands still sends none, and
systemd starts it again. STOPPING=1 once it is asked to stop.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from runtime.health import Health
from runtime.lifecycle import Stop

log = logging.getLogger("onehertz.systemd")

_SOCKET, _WATCHDOG_USEC, _WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_STARTING_EVERY_S = 0.5
_MORE_TIME_S = 30.0  # to start, asked for anew each time
_EVERY_S = 5.0  # where there is no watchdog


class Systemd:
    """To be used by `with`, around a role. Does nothing where systemd does not ask to be told.

    Never raises: a role serves though nobody hears of it.
    """

    def __init__(self, health: Health, stop: Stop, environment: Mapping[str, str]) -> None:
        """`environment`: of the process, with what systemd has put there."""
        self._health = health
        self._stop = stop
        self._address = _address(environment.get(_SOCKET, ""))
        self._watched_s = _watched_s(environment)
        self._is_ready = False
        self._status = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell_on, name="systemd", daemon=True)

    def __enter__(self) -> Self:
        if self._address:
            self._stop.on_request(lambda: self._send("STOPPING=1"))
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._address:
            self._thread.join()

    def _tell_on(self) -> None:
        self._tell()
        while not self._ended.wait(self._every_s):
            self._tell()

    @property
    def is_watched(self) -> bool:
        """Whether systemd ends this process (SIGABRT) when it hears nothing of it."""
        return self._address != "" and self._watched_s is not None

    @property
    def _every_s(self) -> float:
        """A watchdog wants to be told twice in its time; thrice, one may be late."""
        if not self._is_ready:
            return _STARTING_EVERY_S
        return _EVERY_S if self._watched_s is None else self._watched_s / 3

    def _tell(self) -> None:
        alive, _ = self._health.alive()
        ready, status = self._health.ready()
        if status != self._status:
            self._status = status
            self._send(f"STATUS={status}")
        if ready and not self._is_ready:
            self._is_ready = True
            self._send("READY=1")
        if alive and not self._is_ready:
            self._send(f"EXTEND_TIMEOUT_USEC={round(_MORE_TIME_S * 1e6)}")
        elif alive and self._watched_s is not None:
            self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.setblocking(False)
                sending.sendto(text.encode(), self._address)
        except OSError as error:
            log.debug("systemd was not told %s: %s", text, error)


def _address(told: str) -> str:
    """A path, or an abstract name, which is spelled with @; empty for what is neither."""
    if told.startswith("@"):
        return "\0" + told[1:]
    return told if told.startswith("/") else ""


def _watched_s(environment: Mapping[str, str]) -> float | None:
    """Within what time this process must be heard of; None where nobody watches it."""
    watched_us = environment.get(_WATCHDOG_USEC, "")
    meant = environment.get(_WATCHDOG_PID, str(os.getpid()))
    if not watched_us.isdecimal() or int(watched_us) == 0 or meant != str(os.getpid()):
        return None
    return int(watched_us) / 1e6
