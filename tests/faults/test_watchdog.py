"""A role that hangs: systemd's watchdog hears no more of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fixtures.servers import Servers
from tests.harness.line import open_line
from tests.producers.live.http_camera import HttpCamera
from tests.runtime.test_systemd import Listening

pytestmark = [pytest.mark.stack, pytest.mark.line]


def test_a_producer_is_ready_lives_and_is_not_heard_of_when_its_loop_hangs(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = {
        "health": {"stalled_after_s": 1.0},
        "produce": {"spool": {"path": str(tmp_path / "spool")}},
    }
    with Listening(str(tmp_path / "notify")) as systemd, HttpCamera() as http:
        monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        source = {"kind": "snapshot", "url": f"http://{http.place}/snapshot.jpg"}
        with open_line(
            servers, tmp_path, 0, {**overrides, "cameras": {"a": {"source": source}}}
        ) as line:
            line.start("produce")
            assert "WATCHDOG=1" not in systemd.until("READY=1")
            systemd.until("WATCHDOG=1")
            _hang(line.config)
            systemd.until("STATUS=the loop has not moved")
            assert "WATCHDOG=1" not in systemd.for_so_long(0.5)
            # The cameras' threads go on, and so does the answer to a prober: only the loop hangs.
            assert not line.processes["produce-1"].is_ready()
            assert line.processes["produce-1"].is_running


def test_a_producer_says_that_it_stops(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Listening(str(tmp_path / "notify")) as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
        street = {"source": {"kind": "street"}}
        with open_line(servers, tmp_path, 0, {"cameras": {"a": street}}) as line:
            line.start("produce")
            systemd.until("READY=1")
            line.terminate_all()
            systemd.until("STOPPING=1")


def _hang(config: Path) -> None:
    """The loop reads settings that have changed: from a pipe that nobody writes to, for ever."""
    pipe = config.with_suffix(".pipe")
    os.mkfifo(pipe)
    pipe.rename(config)
