"""What systemd hears of a role, on a real datagram socket."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.health import Health
from runtime.lifecycle import Stop
from runtime.systemd import Systemd

WITHIN_S = 10.0
STALLED_AFTER_S = 60.0


class Listening:
    """The socket that systemd listens on."""

    def __init__(self, address: str) -> None:
        """`address` as NOTIFY_SOCKET has it."""
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def next(self, within_s: float = WITHIN_S) -> str:
        """Raises TimeoutError."""
        self._socket.settimeout(within_s)
        return self._socket.recv(4096).decode()

    def until(self, wanted: str) -> list[str]:
        """What is heard up to what begins so. Raises TimeoutError."""
        heard = [self.next()]
        while not heard[-1].startswith(wanted):
            heard.append(self.next())
        return heard

    def for_so_long(self, seconds: float) -> list[str]:
        """What is heard from now on."""
        heard = []
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                heard.append(self.next(left_s))
            except TimeoutError:
                break
        return heard


class Role:
    """Stands for a role: its health on a clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.health = Health(STALLED_AFTER_S, lambda: self.now_s)
        self.stop = Stop()

    def serve(self) -> None:
        self.health.assigned = True
        self.health.beat(progressed=True, waiting_for_work=True)

    def told(self, listening: Listening, **environment: str) -> Systemd:
        return Systemd(self.health, self.stop, {"NOTIFY_SOCKET": listening.address, **environment})


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listening]:
    name = f"@onehertz-{uuid.uuid4().hex}" if request.param == "abstract" else str(tmp_path / "s")
    with Listening(name) as listening:
        yield listening


WATCHED = {"WATCHDOG_USEC": "60000"}


def test_a_role_is_ready_once_it_serves_and_asks_for_time_until_then(
    listening: Listening,
) -> None:
    role = Role()
    with role.told(listening):
        assert listening.next() == "STATUS=nothing is assigned to this process yet"
        assert listening.next() == "EXTEND_TIMEOUT_USEC=30000000"
        role.serve()
        assert "READY=1" in listening.until("READY=1")
    assert listening.for_so_long(0.01) == []


def test_while_it_is_alive_the_watchdog_hears_of_it(listening: Listening) -> None:
    role = Role()
    role.serve()
    with role.told(listening, **WATCHED):
        assert listening.until("READY=1")[0] == "STATUS=ready"
        assert [listening.next() for _ in range(3)] == ["WATCHDOG=1"] * 3


def test_of_a_loop_that_stands_still_the_watchdog_hears_nothing(listening: Listening) -> None:
    role = Role()
    role.serve()
    with role.told(listening, **WATCHED):
        listening.until("WATCHDOG=1")
        role.now_s += STALLED_AFTER_S + 1
        listening.until("STATUS=the loop has not moved for 61 s")
        assert listening.for_so_long(0.2) == []
        role.serve()  # it was only slow
        listening.until("WATCHDOG=1")


def test_one_that_never_comes_to_serve_gets_no_more_time_once_it_stands_still(
    listening: Listening,
) -> None:
    role = Role()
    role.now_s += STALLED_AFTER_S + 1
    with role.told(listening, **WATCHED):
        assert listening.next() == "STATUS=the loop has not moved for 61 s"
        assert listening.for_so_long(0.2) == []


def test_that_it_stops_is_told_when_it_is_asked_to(listening: Listening) -> None:
    role = Role()
    role.serve()
    with role.told(listening):
        listening.until("READY=1")
        role.stop.request()
        assert listening.next() == "STOPPING=1"


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "60000", "WATCHDOG_PID": str(os.getpid() + 1)}],
    ids=["none", "off", "another process'"],
)
def test_where_nobody_watches_no_watchdog_is_told(
    listening: Listening, environment: dict[str, str]
) -> None:
    role = Role()
    role.serve()
    with role.told(listening, **environment):
        listening.until("READY=1")
        assert listening.for_so_long(0.1) == []


@pytest.mark.parametrize(
    "environment", [lambda _: {}, lambda path: {"NOTIFY_SOCKET": str(path / "gone")},
                    lambda _: {"NOTIFY_SOCKET": "vsock:2:1234"}],
    ids=["not started by it", "no socket", "another kind of address"],
)  # fmt: skip
def test_where_systemd_does_not_listen_nothing_happens(
    tmp_path: Path, environment: Callable[[Path], dict[str, str]]
) -> None:
    role = Role()
    role.serve()
    with Systemd(role.health, role.stop, environment(tmp_path)):
        role.stop.request()
