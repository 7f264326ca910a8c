"""What every source promises (`producers.sources.base.Source`), held by each of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from producers.sources.base import Source, SourceFrame
from producers.sources.files import LocalFile
from producers.sources.images import ImagesSource
from producers.sources.loop import LoopedSource
from producers.sources.street import StreetSource
from producers.sources.video import VideoSource
from tests.producers.clips import numbered, write_clip

TENTHS = Fraction(1, 10)
Build = Callable[[Path], Source]


def video(name: str, codec: str, b_frames: int = 0, *, start_us: int = 0) -> Build:
    def build(folder: Path) -> Source:
        path = folder / name
        if not path.exists():
            write_clip(path, range(45), TENTHS, codec, b_frames=b_frames)
        return VideoSource(LocalFile(path), start_us=start_us, stop_us=start_us + 3_950_000)

    return build


def rejoined(folder: Path) -> Source:
    """Two recordings joined end to end: the timestamps begin anew in the middle."""
    path = folder / "joined.ts"
    if not path.exists():
        halves = [
            write_clip(folder / f"{name}.ts", range(20), TENTHS, "mpeg2video", b_frames=2)
            for name in ("first", "second")
        ]
        path.write_bytes(b"".join(half.read_bytes() for half in halves))
    return VideoSource(LocalFile(path))


def images(folder: Path) -> Source:
    for number in range(8):
        cv2.imwrite(
            str(folder / f"{number:03}.{'png' if number == 3 else 'jpg'}"), numbered(number)
        )
    return ImagesSource(folder, every_us=500_000)


def street(_: Path) -> Source:
    return StreetSource(seed=3, width=64, height=48, length_us=7_400_000, every_us=500_000)


def looped(build: Build) -> Build:
    return lambda folder: LoopedSource(build(folder), 3)


SOURCES: dict[str, Build] = {
    "mjpeg in avi": video("a.avi", "mjpeg"),
    "msmpeg4 in avi": video("a.avi", "msmpeg4v2"),
    "mpeg4 with B-frames in mp4": video("a.mp4", "mpeg4", 2),
    "mpeg4 with B-frames in avi": video("b.avi", "mpeg4", 2),
    "mpeg4 with B-frames in matroska": video("a.mkv", "mpeg4", 2),
    "mpeg2 with B-frames in a transport stream": video("a.ts", "mpeg2video", 2),
    "a transport stream that begins anew": rejoined,
    "vp9 in webm": video("a.webm", "libvpx-vp9"),
    "a part of a video": video("a.mp4", "mpeg4", 2, start_us=450_000),
    "images": images,
    "street": street,
    "a looped video": looped(video("a.mp4", "mpeg4", 2)),
    "a looped part of a video": looped(video("a.mp4", "mpeg4", 2, start_us=450_000)),
    "looped images": looped(images),
    "a looped street": looped(street),
}


@pytest.fixture(params=list(SOURCES.values()), ids=list(SOURCES))
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Source]:
    make: Build = request.param
    return lambda: make(tmp_path)


def times_of(frames: list[SourceFrame]) -> list[int]:
    return [frame.media_time_us for frame in frames]


def pixels_of(frame: SourceFrame) -> bytes:
    return frame.load().pixels().tobytes()


def test_times_begin_within_a_frame_of_zero_and_rise_strictly(build: Callable[[], Source]) -> None:
    times = times_of(list(build().frames()))
    assert len(times) >= 8
    assert 0 <= times[0] <= 100_000
    assert all(a < b for a, b in pairwise(times))


def test_every_picture_is_what_it_says_it_is(build: Callable[[], Source]) -> None:
    for frame in build().frames():
        picture = frame.load()
        pixels = picture.pixels()
        assert frame.damage is None
        assert pixels.dtype == np.uint8
        assert pixels.shape == (picture.height, picture.width, 3)
        assert pixels.flags.c_contiguous
        assert pixels.flags.writeable


def test_painting_on_a_picture_changes_no_later_look_at_it(build: Callable[[], Source]) -> None:
    frame = next(build().frames())
    picture = frame.load()
    before = picture.pixels().tobytes()
    picture.pixels()[:] = 0
    assert picture.pixels().tobytes() == before


def test_a_second_pass_gives_the_same_frames(build: Callable[[], Source]) -> None:
    source = build()
    first, again = list(source.frames()), list(source.frames())
    assert times_of(first) == times_of(again)
    assert [pixels_of(frame) for frame in first] == [pixels_of(frame) for frame in again]


def test_a_pass_may_begin_anywhere_and_is_the_end_of_the_whole(
    build: Callable[[], Source],
) -> None:
    whole = list(build().frames())
    last_us = whole[-1].media_time_us
    for from_us in (1, last_us // 3, last_us // 2 + 7, last_us * 9 // 10, last_us, last_us + 1):
        part = list(build().frames(from_us))
        expected = [frame for frame in whole if frame.media_time_us >= from_us]
        assert times_of(part) == times_of(expected)
        assert [pixels_of(frame) for frame in part] == [pixels_of(frame) for frame in expected]


def test_a_repetition_would_begin_after_the_last_frame_and_before_long(
    build: Callable[[], Source],
) -> None:
    source = build()
    *_, last = source.frames()
    length_us = source.length_us()
    assert length_us is not None
    assert last.media_time_us < length_us <= last.media_time_us + 600_000


def test_the_identity_is_that_of_the_content(build: Callable[[], Source]) -> None:
    assert build().identity == build().identity
    assert "/" not in build().identity


def test_a_pass_can_be_given_up_and_closing_twice_does_no_harm(
    build: Callable[[], Source],
) -> None:
    source = build()
    frames = source.frames()
    assert len(list(islice(frames, 2))) == 2
    frames.close()
    source.close()
    source.close()


def test_sources_of_other_content_have_another_identity(tmp_path: Path) -> None:
    identities = []
    for name, make in SOURCES.items():
        if "looped" not in name:
            (folder := tmp_path / name).mkdir()
            identities.append(make(folder).identity)
    assert len(set(identities)) == len(identities)
