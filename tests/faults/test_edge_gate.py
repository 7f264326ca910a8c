"""A producer that gates at the edge is killed: ticks add up, and each reference is there."""

from __future__ import annotations

from pathlib import Path

from schemas.codec import decode_raw
from schemas.messages import Captured, RawRecord, Unchanged
from tests.fixtures.servers import Servers
from tests.harness.faults import ended, fault, records, run
from tests.harness.line import open_line
from tests.harness.observed import messages

TICKS = 300
CAMERAS = {
    f"street-{number}": {
        "source": {"kind": "street", "seed": number, "width": 160, "height": 120},
        "start_at": "2026-11-01T12:00:00Z",
        "speed": 100,
        "stop_after_s": TICKS,
        "gate": "edge",
    }
    for number in range(3)
}


def test_after_a_kill_the_first_frame_is_kept_and_nothing_refers_to_what_was_not_sent(
    servers: Servers, tmp_path: Path
) -> None:
    total = len(CAMERAS) * TICKS
    with open_line(servers, tmp_path, total, {"cameras": CAMERAS}) as line:
        line.start("produce")
        faults = [
            fault(records("frames-raw", total // 3), "kill", "produce-1"),
            fault(records("frames-raw", 0), "restart", "produce-1"),
        ]
        run(line, faults, until=ended("produce-1"))
        log = line.log_of("produce-1")
        ticks: dict[str, dict[int, RawRecord]] = {camera: {} for camera in CAMERAS}
        for at in messages(line, "frames-raw"):
            record = decode_raw(at.message)
            ticks[record.camera].setdefault(record.seq, record)
    assert log.count("going on at tick") == len(CAMERAS), "it was not killed in mid-run"
    for of_camera in ticks.values():
        assert list(of_camera) == list(range(TICKS))
        sent: set[str] = set()
        firsts = 0
        for record in of_camera.values():
            if isinstance(record, Captured):
                sent.add(record.frame)
                firsts += record.because == "first"
            else:
                assert isinstance(record, Unchanged)
                assert record.same_as in sent
        assert firsts == 2
