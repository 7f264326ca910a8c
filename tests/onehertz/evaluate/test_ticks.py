"""A video's ticks, in passes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from onehertz.evaluate.ticks import frames_at, read, served_at
from runtime.errors import UserError
from tests.onehertz.evaluate.made_up import CountingDetector
from tests.producers.clips import number_in, spoil_picture, write_clip

SECOND_US = 1_000_000


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """4 s at 5 frames a second."""
    return write_clip(tmp_path / "clip.mp4", range(20), Fraction(1, 5))


def test_passes_begin_a_share_of_the_interval_apart(clip: Path) -> None:
    passes = read(clip, SECOND_US, 5, {})
    assert [one.offset_us for one in passes] == [0, 200_000, 400_000, 600_000, 800_000]
    assert [[tick.frame_index for tick in one.ticks] for one in passes[:2]] == [
        [0, 5, 10, 15],
        [1, 6, 11, 16],
    ]
    assert [tick.time_s for tick in passes[1].ticks] == pytest.approx([0.2, 1.2, 2.2, 3.2])
    assert (passes[0].ticks[0].width, passes[0].ticks[0].height) == (160, 96)


def test_a_frame_that_serves_several_passes_is_detected_once_by_each_model(clip: Path) -> None:
    one, other = CountingDetector(), CountingDetector()
    passes = read(clip, 2 * SECOND_US, 40, {"one": one, "other": other})
    served = {tick.frame_index for a in passes for tick in a.ticks}
    assert one.images == other.images == len(served) <= 20
    for a in passes:
        assert set(a.seen) == {"one", "other"}
        assert len(a.seen["one"]) == len(a.ticks)


def test_what_a_model_sees_belongs_to_its_tick(clip: Path) -> None:
    (one,) = read(clip, SECOND_US, 1, {"counting": CountingDetector()})
    ((_, _, image),) = frames_at(clip, [10])
    ((alone,),) = CountingDetector().detect([image])
    assert one.seen["counting"][2][0].x1 == pytest.approx(alone.x1, abs=0.005)


def test_frames_are_found_by_their_numbers(clip: Path) -> None:
    found = list(frames_at(clip, [3, 17, 400]))
    assert [(number, number_in(image)) for number, _, image in found] == [(3, 3), (17, 17)]
    assert [time_s for _, time_s, _ in found] == pytest.approx([0.6, 3.4])
    assert served_at(clip, SECOND_US) == [0, 5, 10, 15]


def test_a_tick_whose_picture_is_broken_is_served_by_its_neighbour_or_left_out(
    tmp_path: Path,
) -> None:
    clip = write_clip(tmp_path / "clip.avi", range(8), Fraction(1, 1), codec="mjpeg")
    spoil_picture(clip, 3)
    (one,) = read(clip, SECOND_US, 1, {"counting": CountingDetector()})
    assert [tick.frame_index for tick in one.ticks] == [0, 1, 2, 4, 5, 6, 7]
    assert len(one.seen["counting"]) == 7
    assert [number for number, _, _ in frames_at(clip, [2, 3, 4])] == [2, 4]


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("no video")
    with pytest.raises(UserError, match=r"notes\.mp4"):
        read(notes, SECOND_US, 1, {})
