from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from producers.camera import CameraTicks, open_camera
from producers.settings import CameraSettings
from runtime.errors import UserError
from schemas.messages import Captured, Missing, to_us
from tests.producers.clips import number_in, numbered, spoil_picture, write_clip

START = "2026-03-01T12:00:00Z"
START_US = 1_772_366_400_000_000
SECOND = 1_000_000


def ticking(step_us: int = 7) -> Callable[[], int]:
    """A clock that moves on by `step_us` whenever it is read."""
    now_us = START_US

    def clock() -> int:
        nonlocal now_us
        now_us += step_us
        return now_us

    return clock


def camera(source: dict[str, Any], name: str = "gate-1", **keys: Any) -> CameraTicks:
    settings = CameraSettings.model_validate(
        {"source": source, "start_at": START, "speed": None, **keys}
    )
    return open_camera(name, settings, ticking())


def shown(record: Captured | Missing) -> int | str:
    """The number in the record's picture, or why there is none."""
    if isinstance(record, Missing):
        return record.reason
    image = cv2.imdecode(np.frombuffer(record.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return number_in(np.asarray(image, dtype=np.uint8))


@pytest.fixture
def clip(tmp_path: Path) -> dict[str, Any]:
    """12.5 s at 10 frames a second, with B-frames: frame i shows the number i."""
    path = write_clip(tmp_path / "clip.mp4", range(125), Fraction(1, 10), b_frames=2)
    return {"kind": "video", "path": str(path)}


def test_a_clip_gives_one_record_a_second_with_exact_capture_times(clip: dict[str, Any]) -> None:
    records = list(camera(clip))
    assert [record.seq for record in records] == list(range(13))
    assert [to_us(record.captured_at) for record in records] == [
        START_US + seq * SECOND for seq in range(13)
    ]
    assert [shown(record) for record in records] == [seq * 10 for seq in range(13)]
    assert {(record.camera, record.width, record.height) for record in records} == {
        ("gate-1", 160, 96)
    }
    assert len({record.run for record in records}) == 1


def test_another_interval_makes_other_ticks_at_its_own_distance(clip: dict[str, Any]) -> None:
    for interval_s, every in ((0.1, 1), (0.5, 5), (4, 40)):
        records = list(camera(clip, interval_s=interval_s))
        assert [shown(record) for record in records] == list(range(0, 125, every))
        assert [record.captured_at_us for record in records] == [
            START_US + frame * 100_000 for frame in range(0, 125, every)
        ]


def test_a_looped_part_goes_on_without_a_seam(clip: dict[str, Any]) -> None:
    records = list(camera({**clip, "start_s": 2.0, "stop_s": 5.0}, loop=3))
    assert [shown(record) for record in records] == [20, 30, 40] * 3
    assert [record.seq for record in records] == list(range(9))


def test_a_part_that_is_no_whole_number_of_ticks_keeps_its_times_when_looped(
    clip: dict[str, Any],
) -> None:
    records = list(camera({**clip, "stop_s": 2.5}, loop=2))
    assert [shown(record) for record in records] == [0, 10, 20, 5, 15]


def test_a_producer_that_starts_again_repeats_run_number_time_and_bytes(
    clip: dict[str, Any],
) -> None:
    def told(ticks: CameraTicks) -> list[tuple[Any, ...]]:
        return [
            (one.run, one.seq, one.frame, one.jpeg if isinstance(one, Captured) else one.reason)
            for one in ticks
        ]

    whole = told(camera(clip))
    assert told(camera(clip)) == whole
    for first in (1, 6, 12, 13, 99):
        resumed = camera(clip)
        resumed.skip_to(first)
        assert told(resumed) == whole[first:]


def test_another_camera_part_interval_or_start_is_another_run(clip: dict[str, Any]) -> None:
    runs = {
        camera(clip).run,
        camera(clip, "gate-2").run,
        camera({**clip, "start_s": 1.0}).run,
        camera(clip, interval_s=2).run,
        camera(clip, start_at="2026-03-01T12:00:01Z").run,
    }
    assert len(runs) == 5


def test_how_often_and_how_fine_does_not_change_the_run(clip: dict[str, Any]) -> None:
    assert camera(clip, loop=5, jpeg_quality=50, speed=3).run == camera(clip).run


def test_a_gap_in_a_file_is_missing_ticks_with_the_reason(tmp_path: Path) -> None:
    stamps = [*range(30), *range(60, 90)]
    path = write_clip(tmp_path / "gap.mkv", stamps, Fraction(1, 10))
    records = list(camera({"kind": "video", "path": str(path)}))
    assert [shown(record) for record in records] == [
        0, 10, 20, 29, "stalled", "stalled", 30, 40, 50,
    ]  # fmt: skip
    missing = records[4]
    assert isinstance(missing, Missing)
    assert missing.detail == "no frame between 3.500 s and 4.500 s of the source"
    assert (missing.width, missing.height) == (0, 0)


def test_a_damaged_frame_costs_its_tick_only_where_no_neighbour_can_stand_in(
    tmp_path: Path,
) -> None:
    for rate, wanted in ((1, [0, 1, "undecodable", 3]), (10, [0, 10, 19, 30])):
        path = write_clip(tmp_path / f"{rate}.avi", range(4 * rate), Fraction(1, rate), "mjpeg")
        spoil_picture(path, 2 * rate)
        records = list(camera({"kind": "video", "path": str(path)}))
        assert [shown(record) for record in records] == wanted


def test_a_folder_of_jpegs_passes_byte_for_byte_and_a_broken_one_is_missing(
    tmp_path: Path,
) -> None:
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), numbered(number))
    (tmp_path / "2.jpg").write_bytes(b"broken")
    records = list(camera({"kind": "images", "path": str(tmp_path)}))
    assert [shown(record) for record in records] == [0, 1, "undecodable", 3]
    assert isinstance(records[3], Captured)
    assert records[3].jpeg == (tmp_path / "3.jpg").read_bytes()


def test_size_and_mask_are_as_the_settings_say(clip: dict[str, Any]) -> None:
    left = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
    record = next(iter(camera(clip, longest_side=80, mask=[left])))
    assert isinstance(record, Captured)
    assert (record.width, record.height) == (80, 48)
    image = cv2.imdecode(np.frombuffer(record.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image[:, :36].max() < 20
    assert image[:, 48:].mean() > 60


def test_the_stage_says_when_it_took_and_gave_a_frame() -> None:
    settings = CameraSettings.model_validate({"source": {"kind": "street", "length_s": 2}})
    ticks = open_camera("street-1", settings, ticking(step_us=5))
    stages = [record.stages["produce"] for record in ticks]
    assert [gave - took for took, gave in stages] == [5, 5]


def test_now_is_the_clocks_now_and_never_runs_ahead_of_it(clip: dict[str, Any]) -> None:
    assert camera(clip, start_at="now", speed=1).start_at_us == START_US + 7
    hurried = camera(clip, start_at="now", speed=None)
    *_, last = hurried
    assert last.captured_at_us <= START_US + 7


def test_an_endless_source_that_is_stopped_may_hurry_up_to_now() -> None:
    street = {"kind": "street", "width": 32, "height": 32}
    ticks = camera(street, start_at="now", stop_after_s=60)
    assert ticks.start_at_us == START_US + 7 - 60 * SECOND
    with pytest.raises(UserError, match=r"^camera gate-1: .*run into the future"):
        camera(street, start_at="now")


def test_a_source_that_can_not_be_had_is_told_with_the_camera_s_name(tmp_path: Path) -> None:
    for source in (
        {"kind": "video", "path": str(tmp_path / "nowhere.mp4")},
        {"kind": "images", "path": str(tmp_path)},
    ):
        with pytest.raises(UserError, match=r"^camera gate-1: .*(can't be read|holds no picture)"):
            camera(source)


def test_a_file_that_is_no_video_is_told_with_the_camera_s_name(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(b"no video" * 1000)
    ticks = camera({"kind": "video", "path": str(path)})
    with pytest.raises(UserError, match=r"^camera gate-1: .*can't be read as a video"):
        next(iter(ticks))


def test_a_street_can_be_resumed_a_month_in_at_once() -> None:
    ticks = camera({"kind": "street", "width": 32, "height": 32})
    ticks.skip_to(30 * 86_400)
    record = next(iter(ticks))
    assert record.seq == 30 * 86_400
    assert record.captured_at_us == START_US + 30 * 86_400 * SECOND
