from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest

from producers.sources.files import LocalFile
from producers.sources.loop import LoopedSource
from producers.sources.street import StreetSource
from producers.sources.video import VideoSource
from runtime.errors import UserError
from tests.producers.clips import number_in, write_clip


@pytest.fixture
def clip(tmp_path: Path) -> VideoSource:
    return VideoSource(
        LocalFile(write_clip(tmp_path / "clip.mp4", range(25), Fraction(1, 10), b_frames=2))
    )


def test_the_next_pass_follows_one_frame_after_the_end_of_the_last(clip: VideoSource) -> None:
    frames = list(LoopedSource(clip, 3).frames())
    assert [frame.media_time_us for frame in frames] == [k * 100_000 for k in range(75)]
    assert [number_in(frame.load().pixels()) for frame in frames] == [*range(25)] * 3


def test_a_part_of_a_clip_repeats_after_the_length_of_the_part(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(60), Fraction(1, 10))
    part = VideoSource(LocalFile(path), start_us=1_000_000, stop_us=3_000_000)
    numbers = [number_in(frame.load().pixels()) for frame in LoopedSource(part, 2).frames()]
    assert numbers == [*range(10, 30)] * 2


def test_a_loop_without_end_goes_on_and_can_be_entered_late(clip: VideoSource) -> None:
    source = LoopedSource(clip, None)
    assert source.length_us() is None
    frames = list(islice(source.frames(1_000_000_000), 3))
    assert [frame.media_time_us for frame in frames] == [
        1_000_000_000, 1_000_100_000, 1_000_200_000,
    ]  # fmt: skip
    assert [number_in(frame.load().pixels()) for frame in frames] == [0, 1, 2]


def test_an_endless_source_can_not_be_looped() -> None:
    with pytest.raises(UserError, match="endless source can't be looped"):
        next(LoopedSource(StreetSource(), 2).frames())
