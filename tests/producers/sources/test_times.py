from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from producers.sources.times import LONGEST_GAP_US, MediaTimes

MILLI = Fraction(1, 1000)
STAMPS = st.none() | st.integers(-(2**33), 2**33)
TIME_BASES = st.none() | st.sampled_from([Fraction(1, 90_000), MILLI, Fraction(1, 10), Fraction(0)])


def placed(*stamps: int | None, duration: int | None = None) -> list[int | None]:
    times = MediaTimes()
    return [times.place(stamp, None, MILLI, duration) for stamp in stamps]


def test_time_begins_at_the_first_frame_wherever_the_file_begins() -> None:
    assert placed(1400, 1440, 1480) == [0, 40_000, 80_000]


def test_times_are_exact_after_a_day_of_29_97_frames_a_second() -> None:
    times = MediaTimes()
    times.place(0, None, Fraction(1001, 30_000))
    frames = 24 * 3600 * 30
    times.place(frames // 2, None, Fraction(1001, 30_000))
    assert times.place(frames, None, Fraction(1001, 30_000)) == 24 * 3600 * 1001 * 1000


def test_times_are_rounded_to_the_nearest_microsecond() -> None:
    times = MediaTimes()
    placed_us = [times.place(frame, None, Fraction(1, 30)) for frame in range(4)]
    assert placed_us == [0, 33_333, 66_667, 100_000]


def test_a_frame_without_presentation_time_is_placed_by_its_decoding_time() -> None:
    times = MediaTimes()
    times.place(0, 0, MILLI)
    assert times.place(None, 40, MILLI) == 40_000


def test_a_frame_without_any_time_follows_by_the_duration_that_the_file_states() -> None:
    assert placed(0, None, None, 120, duration=40) == [0, 40_000, 80_000, 120_000]


def test_a_frame_without_any_time_or_duration_has_no_place() -> None:
    assert placed(None, 0, None, 40) == [None, 0, None, 40_000]


def test_a_repeated_or_slightly_earlier_time_is_dropped() -> None:
    assert placed(0, 40, 40, 20, 80) == [0, 40_000, None, None, 80_000]


def test_time_goes_on_where_the_timestamps_begin_anew() -> None:
    assert placed(5000, 5040, 0, 40, 80) == [0, 40_000, 80_000, 120_000, 160_000]


def test_a_real_gap_stays_a_gap_and_a_broken_timestamp_does_not_become_one() -> None:
    a_day_ms = LONGEST_GAP_US // 1000
    assert placed(0, 40, 3_600_040) == [0, 40_000, 3_600_040_000]
    assert placed(0, 40, a_day_ms + 41, a_day_ms + 81) == [0, 40_000, 80_000, 120_000]


@given(st.lists(st.tuples(STAMPS, STAMPS, TIME_BASES, st.none() | st.integers(-10, 10**6))))
def test_times_rise_strictly_from_zero_whatever_the_file_says(
    frames: list[tuple[int | None, int | None, Fraction | None, int | None]],
) -> None:
    times = MediaTimes()
    placed_us = [at for frame in frames if (at := times.place(*frame)) is not None]
    assert placed_us[:1] in ([], [0])
    assert all(a < b for a, b in pairwise(placed_us))
