"""Live cameras on a bad line to the broker: nothing is lost, nothing comes twice, none waits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pytest

from onehertz.look import Span, messages
from runtime.kafka import KafkaSettings, received
from schemas.codec import decode_raw
from schemas.messages import Captured, RawRecord, to_us
from tests.fixtures.servers import Servers
from tests.harness.line import Line, open_line
from tests.harness.proxy import Proxy
from tests.producers.live.http_camera import HttpCamera
from tests.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.line]

CAMERAS = 5
INTERVAL_S = 0.2
PICTURE_BYTES = 200_000
GIVEN_BYTES_PER_S = CAMERAS * PICTURE_BYTES / INTERVAL_S
SEND_BUFFER_BYTES = 2 * 1024 * 1024
# Of memory, beside what the settings allow to be under way: allocators, SQLite's pages.
# Who kept all ticks of an outage in memory would need 24 MB and more.
SLACK_BYTES = 12_000_000
# What a machine that others load may cost. A capture that waits for the line misses most ticks, and
# 24 or more in a row where 120 are kept.
LATE_S = 1.0
MISSING = 0.05
IN_A_ROW = 15


def picture() -> bytes:
    """Noise, a JPEG of about PICTURE_BYTES."""
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    done, data = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert done
    return data.tobytes()


class Uplink:
    """A producer with live cameras, the line to its broker, and what both say."""

    def __init__(self, line: Line, proxy: Proxy, kafka: KafkaSettings) -> None:
        """`kafka`: the straight way."""
        self.proxy = proxy
        self._line = line
        self._kafka = kafka
        self._memory_bytes = 0.0

    def metric(self, name: str) -> float:
        return self._line.processes["produce-1"].metrics().get(name, -1.0)

    @property
    def given(self) -> float:
        """Ticks that have been handed on."""
        return self.metric("onehertz_records_given_total")

    @property
    def spooled(self) -> float:
        return self.metric("onehertz_spooled_ticks")

    def begin(self) -> None:
        self._line.start("produce")
        eventually(lambda: self.given >= 3 * CAMERAS, 60, why="ticks are given")
        self._memory_bytes = self.metric("process_resident_memory_bytes")

    def gives(self, ticks: int) -> None:
        """So many more are handed on, in hardly more time than the cameras take for it."""
        until = self.given + ticks
        within_s = ticks / CAMERAS * INTERVAL_S + 5
        eventually(lambda: self.given >= until, within_s, why="capture goes on")

    def passes(self, count: int) -> None:
        """So many bytes more have gone to the broker."""
        until = self.proxy.up.passed_bytes + count
        eventually(lambda: self.proxy.up.passed_bytes >= until, 30, why="ticks reach the broker")

    def keeps(self, ticks: int) -> None:
        """At least so many are on disk."""
        eventually(lambda: self.spooled >= ticks, 30, why="ticks are kept")

    def growth_bytes(self) -> float:
        """Of the process' memory, since it began."""
        return self.metric("process_resident_memory_bytes") - self._memory_bytes

    def recovers(self) -> float:
        """Nothing is on disk any more, and a tick is sent as it comes. How many were given."""
        eventually(lambda: self.spooled == 0, 30, why="what was kept is sent")
        self.passes(CAMERAS * PICTURE_BYTES)
        eventually(lambda: self.spooled == 0, 30, why="what was kept is sent")
        return self.given

    def records(self) -> list[RawRecord]:
        """Ends the producer; what the broker has, repeats and all."""
        self._line.terminate_all()
        name, partitions = self._line.topic("frames-raw"), self._line.settings.line.partitions
        span = Span(from_beginning=True, follow=False)
        return [decode_raw(received(m)) for m in messages(self._kafka, name, partitions, span)]


@pytest.fixture
def uplink(servers: Servers, tmp_path: Path) -> Iterator[Uplink]:
    with HttpCamera() as http, Proxy(servers.bootstrap_servers) as proxy:
        http.answer = picture()
        source = {"kind": "snapshot", "url": f"http://{http.place}/snapshot.jpg"}
        camera = {"source": source, "interval_s": INTERVAL_S}
        overrides = {
            "cameras": {f"c{n}": camera for n in range(CAMERAS)},
            "kafka": {
                "bootstrap_servers": proxy.address,
                "send_buffer_bytes": SEND_BUFFER_BYTES,
            },
            "produce": {"spool": {"path": str(tmp_path / "spool")}},
        }
        with open_line(servers, tmp_path, 0, overrides) as line:
            straight = {"bootstrap_servers": servers.bootstrap_servers}
            uplink = Uplink(line, proxy, line.settings.kafka.model_copy(update=straight))
            uplink.begin()
            yield uplink
            proxy.speak()


def assert_whole(records: list[RawRecord], given: float) -> None:
    """Each tick is there, once, in its place and at its time."""
    assert len(records) >= given
    assert Counter(Counter((r.camera, r.run, r.seq) for r in records).values()).keys() == {1}
    by_camera: dict[str, list[RawRecord]] = defaultdict(list)
    for record in records:
        by_camera[record.camera].append(record)
    assert len(by_camera) == CAMERAS
    for of_camera in by_camera.values():
        assert {record.run for record in of_camera} == {of_camera[0].run}
        assert [record.seq for record in of_camera] == list(range(len(of_camera)))
        first_us = to_us(of_camera[0].captured_at)
        grid_us = [first_us + round(n * INTERVAL_S * 1e6) for n in range(len(of_camera))]
        assert [to_us(record.captured_at) for record in of_camera] == grid_us
        assert longest_gap(of_camera) <= IN_A_ROW
    assert_not_late(records)


def assert_not_late(records: list[RawRecord]) -> None:
    """Whatever the line did, cameras were read and ticks handed on when they were due."""
    late_s = [(r.stages["produce"][1] - to_us(r.captured_at)) / 1e6 for r in records]
    assert max(late_s) < LATE_S
    missing = [record for record in records if not isinstance(record, Captured)]
    assert len(missing) <= MISSING * len(records), Counter(str(r) for r in missing)


def longest_gap(of_camera: list[RawRecord]) -> int:
    """The most ticks without a picture one after the other."""
    here = (isinstance(record, Captured) for record in of_camera)
    return max((len([*some]) for captured, some in groupby(here) if not captured), default=0)


def test_a_line_that_is_cut_again_and_again(uplink: Uplink) -> None:
    for turn in range(6):
        uplink.passes(2 * PICTURE_BYTES)
        assert uplink.proxy.cut("reset" if turn % 2 else "close") >= 1
    given = uplink.recovers()
    assert_whole(uplink.records(), given)


def test_a_line_that_is_cut_and_refused_for_a_while(uplink: Uplink) -> None:
    uplink.proxy.refuse()
    uplink.proxy.cut()
    uplink.keeps(60)
    assert uplink.growth_bytes() < SEND_BUFFER_BYTES + SLACK_BYTES
    uplink.proxy.accept()
    given = uplink.recovers()
    assert_whole(uplink.records(), given)


def test_a_line_on_which_each_word_takes_a_second(uplink: Uplink) -> None:
    uplink.proxy.up.delay_s = 1.0
    uplink.gives(60)
    assert uplink.growth_bytes() < SEND_BUFFER_BYTES + SLACK_BYTES
    uplink.proxy.up.delay_s = 0.0
    given = uplink.recovers()
    assert_whole(uplink.records(), given)


def test_a_line_that_takes_less_than_the_cameras_give(uplink: Uplink) -> None:
    uplink.proxy.up.bytes_per_s = GIVEN_BYTES_PER_S / 10
    uplink.gives(150)
    assert uplink.spooled > 75
    assert uplink.growth_bytes() < SEND_BUFFER_BYTES + SLACK_BYTES < 150 * PICTURE_BYTES
    uplink.proxy.up.bytes_per_s = None
    given = uplink.recovers()
    assert_whole(uplink.records(), given)


def test_a_line_that_is_open_and_on_which_nothing_passes(uplink: Uplink) -> None:
    uplink.proxy.fall_silent()
    uplink.keeps(60)
    uplink.proxy.cut()  # new connections are let in, to the same silence
    uplink.keeps(120)
    assert uplink.growth_bytes() < SEND_BUFFER_BYTES + SLACK_BYTES < 120 * PICTURE_BYTES
    uplink.proxy.speak()
    given = uplink.recovers()
    assert_whole(uplink.records(), given)
