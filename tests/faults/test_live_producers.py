"""Live cameras, a broker that goes away, a producer that is killed: what was kept comes through."""

from __future__ import annotations

import json
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import pytest

from onehertz.look import Span, messages
from runtime.kafka import received
from schemas.codec import decode_raw
from schemas.messages import Captured, RawRecord
from tests.fixtures.servers import Servers
from tests.harness.line import Line, open_line
from tests.producers.clips import write_clip
from tests.producers.live.http_camera import HttpCamera
from tests.producers.live.rtsp_server import RtspServer
from tests.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.line]

SECRET = "s3cret-w0rd"
INTERVAL_S = 0.2
CAMERAS = {"door", "yard"}


def metric(line: Line, name: str) -> float:
    return line.processes["produce-1"].metrics().get(name, -1.0)


def raw_records(line: Line) -> dict[str, list[RawRecord]]:
    """First occurrences on frames-raw, by camera."""
    topic = line.settings.line.topic("frames-raw")
    span = Span(from_beginning=True, follow=False)
    found: dict[str, dict[tuple[str, int], RawRecord]] = defaultdict(dict)
    for message in messages(line.settings.kafka, topic, line.settings.line.partitions, span):
        record = decode_raw(received(message))
        found[record.camera].setdefault((record.run, record.seq), record)
    return {camera: list(records.values()) for camera, records in found.items()}


def _through_the_outage(line: Line) -> None:
    spooled = "onehertz_spooled_ticks"
    eventually(lambda: metric(line, spooled) >= 20, 60, why="ticks are kept")
    line.kill("produce-1")
    line.restart("produce-1")
    eventually(lambda: metric(line, spooled) >= 40, 60, why="more are kept")


def test_an_outage_with_a_kill_in_it_costs_no_tick_that_was_kept(
    servers: Servers, tmp_path: Path
) -> None:
    write_clip(tmp_path / "a.mp4", range(500), Fraction(1, 25), "libx264", gop=5, fixed_gop=True)
    rtsp = RtspServer(tmp_path)
    with HttpCamera() as http:
        door = {"kind": "rtsp", "url": rtsp.url("a.mp4", f"viewer:{SECRET}@127.0.0.1")}
        yard = {"kind": "snapshot", "url": f"http://{http.place}/snapshot.jpg", "password": SECRET}
        overrides = {
            "cameras": {
                "door": {"source": door, "interval_s": INTERVAL_S},
                "yard": {"source": yard, "interval_s": INTERVAL_S},
            },
            "produce": {"spool": {"path": str(tmp_path / "spool")}},
        }
        with open_line(servers, tmp_path, 0, overrides) as line:
            rtsp.start()
            line.start("produce")
            given = "onehertz_records_given_total"
            eventually(lambda: metric(line, given) >= 20, 60, why="ticks are given")
            servers.kill_kafka()
            try:
                _through_the_outage(line)
            finally:
                servers.start_kafka()
            eventually(lambda: metric(line, "onehertz_spooled_ticks") == 0, 90, why="all are sent")
            line.terminate_all()
            records = raw_records(line)
            log = line.processes["produce-1"].log.read_text()
        rtsp.kill()
    assert set(records) == CAMERAS
    for of_camera in records.values():
        times = [record.captured_at for record in of_camera]
        assert times == sorted(set(times))
        runs = list(dict.fromkeys(record.run for record in of_camera))
        assert len(runs) == 2
        for run in runs:
            # Gap-free from its first tick on; of the first run, what was not kept is its end.
            numbers = [record.seq for record in of_camera if record.run == run]
            assert numbers == list(range(len(numbers)))
    assert sum(isinstance(one, Captured) for one in records["door"]) > 40
    assert SECRET not in log
    assert SECRET not in repr(records)


def test_cameras_are_added_and_taken_out_while_it_runs_and_a_broken_edit_changes_nothing(
    servers: Servers, tmp_path: Path
) -> None:
    def edit(line: Line, cameras: object) -> None:
        content = json.loads(line.config.read_text())
        line.config.write_text(json.dumps(content | {"cameras": cameras}))

    def ticks(line: Line, camera: str) -> int:
        return len(raw_records(line).get(camera, []))

    with HttpCamera() as http:
        snapshot = {"kind": "snapshot", "url": f"http://{http.place}/snapshot.jpg"}
        yard = {"source": snapshot, "interval_s": INTERVAL_S}
        door = {**yard, "source": {**snapshot, "password": SECRET}}
        overrides = {
            "cameras": {"yard": yard},
            "produce": {"spool": {"path": str(tmp_path / "spool")}},
        }
        with open_line(servers, tmp_path, 0, overrides) as line:
            line.start("produce")
            eventually(lambda: ticks(line, "yard") >= 3, 60, why="the first camera ticks")
            edit(line, {"yard": yard, "door": door})
            eventually(lambda: ticks(line, "door") >= 3, 60, why="the second camera ticks")
            edit(line, {"yard": {**yard, "intervall_s": 5}})
            log = line.processes["produce-1"].log
            eventually(lambda: "stays in force" in log.read_text(), 30, why="it is refused")
            before = ticks(line, "door")
            eventually(lambda: ticks(line, "door") > before, 30, why="the second camera goes on")
            edit(line, {"door": door})
            eventually(lambda: "yard: taken out" in log.read_text(), 30)
            line.terminate_all()
            records = raw_records(line)
            said = log.read_text()
    assert "intervall_s" in said
    assert SECRET not in said
    for of_camera in records.values():
        assert len({record.run for record in of_camera}) == 1  # none began anew
        assert [record.seq for record in of_camera] == list(range(len(of_camera)))
