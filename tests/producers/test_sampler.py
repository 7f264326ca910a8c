from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from producers.sampler import Sample, first_needed_us, sample
from producers.sources.base import Picture, SourceError, SourceFrame, damaged_frame

SECOND = 1_000_000
INTERVALS = st.integers(1, 40)
TIMES = st.lists(st.integers(0, 400), max_size=60, unique=True).map(sorted)


def never() -> Picture:
    raise AssertionError("sampling must not load a picture")


def frames_at(times_us: Iterable[int]) -> list[SourceFrame]:
    return [SourceFrame(at_us, never) for at_us in times_us]


def served(samples: Iterable[Sample]) -> dict[int, int | str]:
    """Tick → media time of its frame, or the reason for there being none."""
    return {
        one.tick: one.outcome.reason
        if isinstance(one.outcome, SourceError)
        else one.outcome.media_time_us
        for one in samples
    }


def by_definition(times_us: list[int], interval_us: int) -> dict[int, int | str]:
    """The rule as the module's docstring states it, frame by frame for each tick."""
    ticks = times_us[-1] // interval_us + 1 if times_us else 0
    chosen: dict[int, int | str] = {}
    for tick in range(ticks):
        own = [
            at for at in times_us
            if -(interval_us // 2) <= at - tick * interval_us < interval_us - interval_us // 2
        ]  # fmt: skip
        distances = [(abs(at - tick * interval_us), at) for at in own]
        chosen[tick] = min(distances)[1] if distances else "stalled"
    return chosen


@given(TIMES, INTERVALS)
def test_each_tick_is_served_by_the_frame_nearest_to_it(times: list[int], interval: int) -> None:
    assert served(sample(frames_at(times), interval)) == by_definition(times, interval)


@given(TIMES, INTERVALS)
def test_ticks_have_no_gap_and_no_frame_serves_two(times: list[int], interval: int) -> None:
    samples = list(sample(frames_at(times), interval))
    assert [one.tick for one in samples] == list(range(len(samples)))
    used = [at for at in served(samples).values() if not isinstance(at, str)]
    assert all(a < b for a, b in pairwise(used))


@given(TIMES, INTERVALS, st.integers(0, 50))
def test_sampling_may_begin_at_any_tick_with_the_same_result(
    times: list[int], interval: int, first: int
) -> None:
    whole = served(sample(frames_at(times), interval))
    needed = [at for at in times if at >= first_needed_us(first, interval)]
    part = served(sample(frames_at(needed), interval, first))
    assert part == {tick: at for tick, at in whole.items() if tick >= first}


@given(TIMES, INTERVALS)
def test_a_missing_tick_lies_in_a_gap_longer_than_an_interval(
    times: list[int], interval: int
) -> None:
    for tick, at in served(sample(frames_at(times), interval)).items():
        if at == "stalled":
            before = [t for t in times if t <= tick * interval]
            after = [t for t in times if t > tick * interval]
            assert not before or after[0] - before[-1] > interval - 1


def test_an_hour_has_exactly_3600_ticks_at_any_frame_rate() -> None:
    for rate in (Fraction(25), Fraction(30_000, 1001), Fraction(10), Fraction(1)):
        count = int(3600 * rate)
        frames = frames_at(round(k / rate * SECOND) for k in range(count))
        result = served(sample(frames, SECOND))
        assert len(result) == 3600
        period = float(SECOND / rate)
        for tick, at in result.items():
            assert not isinstance(at, str)
            assert abs(at - tick * SECOND) <= period / 2 + 1


def test_ten_hertz_from_thirty_frames_a_second_serves_every_tick() -> None:
    frames = frames_at(k * SECOND // 30 for k in range(300))
    result = served(sample(frames, SECOND // 10))
    assert len(result) == 100
    assert "stalled" not in result.values()


def test_an_irregular_source_of_one_frame_a_second_loses_none_to_jitter() -> None:
    times = [0, 1_001_000, 1_999_000, 2_999_500, 4_200_000, 4_900_000, 6_000_001]
    result = served(sample(frames_at(times), SECOND))
    assert list(result.values()) == times


def test_a_gap_in_the_times_becomes_missing_ticks_and_nothing_else_does() -> None:
    times = [k * 100_000 for k in range(55)] + [k * 100_000 for k in range(120, 150)]
    result = served(sample(frames_at(times), SECOND))
    assert [tick for tick, at in result.items() if at == "stalled"] == [6, 7, 8, 9, 10, 11]
    assert len(result) == 15


def test_a_missing_tick_says_where_in_the_source_nothing_is() -> None:
    samples = list(sample(frames_at([0, 3 * SECOND]), SECOND))
    outcome = samples[1].outcome
    assert isinstance(outcome, SourceError)
    assert outcome.detail == "no frame between 0.500 s and 1.500 s of the source"


def test_a_tick_is_given_as_soon_as_nothing_better_can_come() -> None:
    consumed: list[int] = []

    def reading() -> Iterable[SourceFrame]:
        for frame in frames_at(k * 100_000 for k in range(30)):
            consumed.append(frame.media_time_us)
            yield frame

    samples = sample(reading(), SECOND)
    next(samples)
    assert consumed == [0]
    next(samples)
    assert consumed[-1] == SECOND


def test_a_good_neighbour_serves_the_tick_of_a_damaged_frame() -> None:
    frames = frames_at(k * 100_000 for k in range(30))
    frames[10] = damaged_frame(SECOND, "broken")
    assert served(sample(frames, SECOND))[1] in (900_000, 1_100_000)


def test_a_tick_with_damaged_frames_only_is_undecodable() -> None:
    frames = frames_at(k * SECOND for k in range(5))
    frames[2] = damaged_frame(2 * SECOND, "broken")
    frames[4] = damaged_frame(4 * SECOND, "broken")
    assert served(sample(frames, SECOND)) == {
        0: 0, 1: SECOND, 2: "undecodable", 3: 3 * SECOND, 4: "undecodable",
    }  # fmt: skip


def test_a_source_without_frames_has_no_ticks() -> None:
    assert list(sample([], SECOND)) == []
