"""A live camera's records, on a real RTSP server that is killed, frozen and started again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from producers.camera import encoder_of
from producers.edge import EdgeGates, References
from producers.live.arrivals import Arrival, Demand, LiveSource
from producers.live.ticks import LiveTicks, monotonic_us, must_begin_anew
from producers.settings import CameraSettings
from producers.sources.base import Picture
from runtime.kafka import now_us
from schemas.messages import Captured, Missing, Unchanged
from tests.producers.clips import numbered, write_clip
from tests.producers.live.conftest import Watch
from tests.producers.live.rtsp_server import RtspServer
from tests.producers.live.watching import (
    INTERVAL_US,
    Soon,
    Watched,
    assert_gap_free,
    last_are,
    live,
    shown,
)
from vision.gate import GateRule


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RtspServer]:
    for name, codec, gop in (
        ("h264", "libx264", 5),
        ("h265", "libx265", 5),
        ("rare", "libx264", 20),
    ):
        write_clip(
            tmp_path / f"{name}.mp4", range(500), Fraction(1, 25), codec, gop=gop, fixed_gop=True
        )
    write_clip(tmp_path / "slow.mp4", range(100), Fraction(1, 5), "libx264", gop=1, fixed_gop=True)
    server = RtspServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("name", ["h264", "h265", "rare"])
def test_a_healthy_stream_has_a_frame_for_every_tick(
    server: RtspServer, watch: Watch, name: str
) -> None:
    watched = watch(live(server.url(f"{name}.mp4")))
    watched.until(lambda records: len(records) >= 20)
    assert_gap_free(watched.records)
    assert all(record.status == "captured" for record in watched.records)
    numbers = [shown(record) for record in watched.records][5:]  # what was sent ahead is over
    assert numbers == sorted(set(numbers))


def test_a_camera_that_dies_and_comes_back_has_missing_ticks_in_between(
    server: RtspServer, watch: Watch
) -> None:
    watched = watch(live(server.url("h264.mp4")))
    watched.until(last_are("captured", 3))
    server.kill()
    watched.until(last_are("missing", 4))
    server.start()
    watched.until(last_are("captured", 3))
    assert_gap_free(watched.records)
    reasons = {record.reason for record in watched.records if isinstance(record, Missing)}
    assert reasons <= {"unreachable", "refused", "stalled"}
    assert "refused" in reasons


def test_a_camera_that_freezes_is_stalled_and_goes_on(server: RtspServer, watch: Watch) -> None:
    watched = watch(live(server.url("h264.mp4"), connect_timeout_s=0.6))
    watched.until(last_are("captured", 3))
    server.freeze()
    watched.until(last_are("missing", 6))
    server.thaw()
    watched.until(last_are("captured", 3))
    assert_gap_free(watched.records)
    first = next(record for record in watched.records if isinstance(record, Missing))
    assert first.reason == "stalled"


def test_a_camera_that_is_not_there_has_missing_ticks_from_the_start(
    server: RtspServer, watch: Watch
) -> None:
    url = server.url("h264.mp4", "viewer:s3cret@127.0.0.1")
    server.kill()
    watched = watch(live(url))
    watched.until(last_are("missing", 4))
    assert_gap_free(watched.records)
    assert {one.reason for one in watched.records if isinstance(one, Missing)} == {"refused"}
    assert not any("s3cret" in one.detail for one in watched.records if isinstance(one, Missing))


def test_thirty_cameras_at_once_have_a_frame_for_every_tick(
    server: RtspServer, watch: Watch
) -> None:
    # Five frames a second: it is our side that is tested, and the server is one process of Python.
    url = server.url("slow.mp4")
    all_watched = [watch(live(url, connect_timeout_s=30, read_timeout_s=30)) for _ in range(30)]
    for watched in all_watched:
        # In a row: a machine that stalls for a second has no frame of that second.
        watched.until(last_are("captured", 10))
        assert_gap_free(watched.records)


class Scripted:
    """A source that gives what a test puts in."""

    def __init__(self) -> None:
        self.at = threading.Semaphore(0)

    def arrivals(self, demand: Demand) -> Iterator[Arrival]:
        while self.at.acquire(timeout=0.1) or demand:
            yield Arrival(monotonic_us(), lambda: Picture(160, 96, lambda: numbered(7)))


@pytest.mark.parametrize(
    ("off_us", "anew"),
    [
        (0, False),
        (1_900_000, False),
        (2_100_000, True),  # set forward, or the machine slept
        (-200_000_000, False),  # set back: capture times stay ahead and go on rising
        (-301_000_000, True),  # they would be refused for as long
    ],
)
def test_capture_times_begin_anew_when_the_clock_has_been_set(off_us: int, anew: bool) -> None:
    assert must_begin_anew(1_772_366_400_000_000 + off_us, 1_772_366_400_000_000) is anew


def test_a_clock_that_is_set_forward_begins_a_new_run(
    watch: Watch,
) -> None:
    wrong_us = -3600 * 1_000_000

    def clock() -> int:
        return now_us() + wrong_us

    source: LiveSource = Scripted()
    encoder = encoder_of(CameraSettings.model_validate({"source": {"kind": "street"}}))
    watched = watch(LiveTicks("door", source, INTERVAL_US, encoder, clock, backoff=Soon()))
    watched.until(last_are("captured", 3))
    wrong_us = 0
    watched.until(lambda records: len({record.run for record in records}) == 2)
    before, after = watched.records[-2:]
    assert after.seq == 0
    assert after.captured_at_us - before.captured_at_us > 3_599 * 1_000_000


def test_each_run_has_a_gate_of_its_own_at_the_edge(watch: Watch) -> None:
    wrong_us = -3600 * 1_000_000
    encoder = encoder_of(CameraSettings.model_validate({"source": {"kind": "street"}}))
    gates = EdgeGates(GateRule(audit_rate=0.0), References())
    watched = watch(
        LiveTicks(
            *("door", Scripted(), INTERVAL_US, encoder, lambda: now_us() + wrong_us),
            backoff=Soon(),
            gate=lambda: gates.begin("door", "edge"),
        )
    )
    watched.until(last_are("unchanged", 3))
    wrong_us = 0
    watched.until(lambda records: len({record.run for record in records}) == 2)
    watched.until(last_are("unchanged", 3))
    assert_gap_free([record for record in watched.records if record.run == watched.records[0].run])
    captured = [record for record in watched.records if isinstance(record, Captured)]
    assert [record.because for record in captured] == ["first", "first"]
    runs = {record.frame: record.run for record in captured}
    for record in watched.records:
        if isinstance(record, Unchanged):
            assert runs[record.same_as] == record.run


def test_a_library_that_fails_ends_no_camera(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        def arrivals(self, demand: Demand) -> Iterator[Arrival]:
            if demand is None:
                yield Arrival(0, lambda: Picture(1, 1, lambda: numbered(1)))
            raise ZeroDivisionError("rtsp://viewer:s3cret@camera")

    encoder = encoder_of(CameraSettings.model_validate({"source": {"kind": "street"}}))
    watched = watch(LiveTicks("door", Failing(), INTERVAL_US, encoder, now_us, backoff=Soon()))
    watched.until(last_are("missing", 2))
    record = watched.records[-1]
    assert isinstance(record, Missing)
    assert record.detail == "reading failed: ZeroDivisionError"


def test_a_problem_is_logged_once_until_it_changes(
    server: RtspServer, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    server.kill()
    watched = watch(live(server.url("h264.mp4")))
    watched.until(last_are("missing", 8))
    told = [record for record in caplog.records if record.name == "onehertz.produce"]
    assert [record.getMessage() for record in told] == [
        "door: refused: nobody listens at that port; trying again"
    ]


def test_it_ends_soon_when_it_is_closed(server: RtspServer) -> None:
    watched = Watched(live(server.url("h264.mp4")))
    watched.until(last_are("captured", 2))
    before = time.monotonic()
    watched.close()
    assert time.monotonic() - before < 2
