"""A producer that is killed goes on where the broker's last tick of each camera was."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.fixtures.servers import Servers
from tests.harness.faults import ended, fault, records, run
from tests.harness.line import Line, open_line
from tests.harness.observed import messages

CAMERAS = 4
TICKS = 300
CONFIGURED = {
    f"street-{number}": {
        "source": {"kind": "street", "seed": number, "width": 160, "height": 120},
        "start_at": "2026-11-01T12:00:00Z",
        "speed": 100,
        "stop_after_s": TICKS,
    }
    for number in range(CAMERAS)
}


def test_a_producer_that_is_killed_and_restarted_leaves_the_same_ticks(
    servers: Servers, tmp_path: Path
) -> None:
    ticks = {}
    for name in ("unhurt", "hurt"):
        folder = tmp_path / name
        folder.mkdir()
        with open_line(servers, folder, CAMERAS * TICKS, {"cameras": CONFIGURED}) as line:
            line.start("produce")
            faults = [
                fault(records("frames-raw", CAMERAS * TICKS // 3), "kill", "produce-1"),
                fault(records("frames-raw", 0), "restart", "produce-1"),
            ]
            run(line, faults if name == "hurt" else [], until=ended("produce-1"))
            ticks[name] = _ticks(line)
            log = line.log_of("produce-1")
    assert log.count("going on at tick") == CAMERAS, "it was not killed in mid-run"
    assert ticks["hurt"] == ticks["unhurt"]
    assert all(len(of_camera) == TICKS for of_camera in ticks["hurt"].values())


def _ticks(line: Line) -> dict[str, list[tuple[str, str, str, bytes]]]:
    """By camera, each tick where it first occurs: identity, run, number, picture."""
    found: dict[str, dict[str, tuple[str, str, str, bytes]]] = defaultdict(dict)
    for at in messages(line, "frames-raw"):
        frame, run_id, seq = (at.header(name) for name in ("ce_frame", "ce_run", "ce_seq"))
        camera = str(at.message.key or b"", "utf-8")
        found[camera].setdefault(frame, (frame, run_id, seq, at.message.value or b""))
    return {camera: list(first.values()) for camera, first in found.items()}
