"""Streams as cameras send them, over RTSP: both codecs, with B-frames, key frames often or seldom.

All of them run at the same time, for as long as the slowest takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.producers.clips import write_clip
from tests.producers.live.gst_camera import GstServer, Stream
from tests.producers.live.watching import (
    Records,
    Traced,
    Watched,
    assert_gap_free,
    camera,
    shown,
    source_of,
    ticks_of,
)

LIBRARIES = {"h264": "libx264", "h265": "libx265"}
# Pictures that a decoder may hold back for B-frames, at most.
HELD_BACK = 6


@dataclass(frozen=True)
class Kind:
    """A stream at 25 frames a second, or at 25 / 1.001."""

    codec: str
    b_frames: int
    key_every: int  # frames
    slow: bool  # 1.001 s for what should take 1 s
    interval_s: float

    @property
    def name(self) -> str:
        key_s = self.key_every / 25 * (1.001 if self.slow else 1)
        return f"{self.codec}-b{self.b_frames}-key-{key_s:g}-s-tick-{self.interval_s:g}-s"

    @property
    def ticks(self) -> int:
        """That are looked at."""
        return round(5 / self.interval_s)

    @property
    def key_for_each_tick(self) -> bool:
        return self.key_every == round(25 * self.interval_s)

    def write(self, folder: Path) -> Stream:
        beat = Fraction(1001, 25_000) if self.slow else Fraction(1, 25)
        clip = write_clip(
            folder / f"{self.name}.mkv",
            range(200),
            beat,
            LIBRARIES[self.codec],
            b_frames=self.b_frames,
            gop=self.key_every,
            fixed_gop=True,
        )
        return Stream(str(clip), "h264" if self.codec == "h264" else "h265")


# Key frames every 1.000, 1.001 and 4 ticks: at five ticks a second, and some at one a second.
KINDS = [
    *(
        Kind(codec, b_frames, key_every, slow, 0.2)
        for codec in LIBRARIES
        for b_frames in (0, 2)
        for key_every, slow in ((5, False), (5, True), (20, False))
    ),
    Kind("h264", 2, 25, slow=False, interval_s=1.0),
    Kind("h264", 2, 25, slow=True, interval_s=1.0),
    Kind("h265", 2, 25, slow=True, interval_s=1.0),
    Kind("h265", 2, 100, slow=False, interval_s=1.0),
]


def name_of(kind: Kind) -> str:
    return kind.name


FREQUENT = [kind for kind in KINDS if kind.key_for_each_tick]
RARE = [kind for kind in KINDS if not kind.key_for_each_tick]


@dataclass(frozen=True)
class Seen:
    """What came of a stream while it was watched."""

    kind: Kind
    records: Records
    source: Traced
    numbers: list[int]  # that each packet shows, in the order in which they are sent

    @property
    def captured(self) -> Records:
        return [record for record in self.records if record.status == "captured"]

    def due_us(self, tick: int) -> int:
        """When a tick is due, on the clock of arrivals."""
        return self.source.came[0].arrived_us + tick * round(self.kind.interval_s * 1e6)


def sent_numbers(clip: str) -> list[int]:
    with av.open(clip) as container:
        stamps = [packet.pts for packet in container.demux(video=0) if packet.size]
    in_time = {stamp: number for number, stamp in enumerate(sorted(stamps))}
    return [in_time[stamp] for stamp in stamps]


@pytest.fixture(scope="module")
def all_seen(gstreamer: None, tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Seen]:
    folder = tmp_path_factory.mktemp("clips")
    streams = {kind.name: kind.write(folder) for kind in KINDS}
    server = GstServer(streams)
    server.start()
    watched: dict[Kind, tuple[Watched, Traced]] = {}
    for kind in KINDS:
        settings = camera(server.url(kind.name), kind.interval_s, read_timeout_s=10)
        source = Traced(source_of(settings))
        watched[kind] = Watched(ticks_of(source, settings)), source
    try:
        for kind, (one, _) in watched.items():
            one.until(lambda records, count=kind.ticks: len(records) >= count)
    finally:
        for one, _ in watched.values():
            one.close()
        server.kill()
    return {
        kind: Seen(kind, one.records, source, sent_numbers(streams[kind.name].clip))
        for kind, (one, source) in watched.items()
    }


@pytest.fixture(params=KINDS, ids=name_of)
def seen(request: pytest.FixtureRequest, all_seen: dict[Kind, Seen]) -> Seen:
    return all_seen[request.param]


def test_every_tick_that_a_frame_came_for_is_captured(seen: Seen) -> None:
    assert_gap_free(seen.records, round(seen.kind.interval_s * 1e6))
    # Where the machine itself stands still for a moment, no frame comes.
    near_us = 0.45 * seen.kind.interval_s * 1e6
    for record in seen.records:
        if record.status == "missing":
            due_us = seen.due_us(record.seq)
            assert not [one for one in seen.source.came if abs(one.arrived_us - due_us) < near_us]
    assert len(seen.captured) >= len(seen.records) / 2


def test_each_tick_shows_the_picture_that_was_made_for_it(seen: Seen) -> None:
    assert [shown(record) for record in seen.captured] == [one.number for one in seen.source.loaded]


def test_no_picture_is_later_than_its_own_packet(seen: Seen) -> None:
    for loaded in seen.source.loaded:
        if seen.source.came[loaded.place].whole:
            assert loaded.number == seen.numbers[loaded.place]
        else:
            assert loaded.number in seen.numbers[: loaded.place + 1]
            assert loaded.number >= loaded.place - HELD_BACK


def test_pictures_go_on_from_tick_to_tick(seen: Seen) -> None:
    numbers = [loaded.number for loaded in seen.source.loaded]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("seen", FREQUENT, indirect=True, ids=name_of)
def test_key_frames_alone_are_decoded_where_one_comes_for_each_tick(seen: Seen) -> None:
    others = [one for one in seen.source.loaded if not seen.source.came[one.place].whole]
    assert len(others) <= len(seen.records) // 4  # the machine may be busy


@pytest.mark.parametrize("seen", RARE, indirect=True, ids=name_of)
def test_where_key_frames_are_rare_a_tick_shows_what_is_newest(seen: Seen) -> None:
    interval_us = round(seen.kind.interval_s * 1e6)
    came = seen.source.came
    # By the third tick it is known that they are rare.
    for record, loaded in list(zip(seen.captured, seen.source.loaded, strict=True))[3:]:
        due_us = seen.due_us(record.seq)
        served = came[loaded.place]
        assert abs(served.arrived_us - due_us) <= 0.6 * interval_us
        assert served.whole or came[loaded.place + 1].arrived_us >= due_us - 100_000
