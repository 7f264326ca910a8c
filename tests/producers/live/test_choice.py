"""Which arrival serves which tick: by hand, and what holds for any stream."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from producers.live.arrivals import Arrival
from producers.live.choice import Choice, Chooser
from producers.sources.base import Picture

SECOND = 1_000_000


def nothing() -> Picture:
    raise AssertionError("nobody loads it here")


def whole(at_s: float) -> Arrival:
    return Arrival(round(at_s * SECOND), nothing)


def part(at_s: float, *, patient: bool = True) -> Arrival:
    return Arrival(round(at_s * SECOND), nothing, whole=False, patient=patient)


def played(arrivals: Iterable[Arrival], until_s: float, interval_us: int = SECOND) -> list[Choice]:
    """All ticks that are decided by then, the first of them due at 0."""
    chooser = Chooser(interval_us, 0)
    choices = [choice for arrival in arrivals for choice in chooser.offer(arrival)]
    return choices + list(chooser.decide(round(until_s * SECOND)))


def served(choices: Iterable[Choice]) -> list[float | None]:
    """When the frame of each tick came, s."""
    return [c.arrival.arrived_us / SECOND if c.arrival else None for c in choices]


def test_the_newest_whole_frame_that_is_there_serves() -> None:
    assert served(played([whole(0), whole(0.6), whole(0.9)], 1.0)) == [0, 0.9]


def test_a_tick_waits_for_a_whole_frame_that_is_late() -> None:
    assert served(played([whole(0), whole(1.3)], 1.3)) == [0, 1.3]
    assert served(played([whole(0)], 1.3)) == [0]


def test_of_those_that_are_late_the_first_serves() -> None:
    assert served(played([whole(0), whole(1.1), whole(1.2), whole(2)], 2.0)) == [0, 1.1, 2]


def test_a_tick_that_nothing_comes_for_is_empty_at_the_end_of_its_reach() -> None:
    assert served(played([whole(0)], 1.499)) == [0]
    assert served(played([whole(0)], 1.5)) == [0, None]


def test_a_part_serves_only_where_no_whole_frame_came() -> None:
    assert served(played([whole(0), part(0.9), part(1.1), whole(1.2)], 1.5)) == [0, 1.2]
    assert served(played([whole(0), part(0.9), part(1.1)], 1.5)) == [0, 1.1]


def test_where_whole_frames_are_rare_a_part_serves_at_once() -> None:
    choices = played([whole(0), part(0.9, patient=False)], 1.0)
    assert served(choices) == [0, 0.9]


def test_a_frame_between_two_reaches_serves_none() -> None:
    # Every 10 s, from 6 s before: a frame at 4 s belongs to the next tick, one at 3.9 to the first.
    assert served(played([whole(0), whole(3.9)], 15, 10 * SECOND)) == [0, None]
    assert served(played([whole(0), whole(4.0)], 15, 10 * SECOND)) == [0, 4.0]
    # One that is not whole within 5 s.
    assert served(played([whole(0), part(4.9)], 15, 10 * SECOND)) == [0, None]
    assert served(played([whole(0), part(5.0)], 15, 10 * SECOND)) == [0, 5.0]


def test_a_frame_of_an_hour_ago_serves_no_hourly_tick() -> None:
    assert served(played([whole(0), whole(1800)], 3605, 3600 * SECOND)) == [0, None]


def test_key_frames_every_1001_ms_leave_one_tick_in_a_thousand_to_the_others() -> None:
    keys = [whole(n * 1.001) for n in range(1200)]
    parts = [part(n * 0.04 + 0.013) for n in range(30_000)]
    arrivals = sorted([*keys, *parts], key=lambda arrival: arrival.arrived_us)
    choices = played(arrivals, 1199.0)
    assert all(choice.arrival is not None for choice in choices)
    rest = [choice for choice in choices if choice.arrival and not choice.arrival.whole]
    assert 1 <= len(rest) <= 2


def test_an_hour_at_one_hertz_has_3600_ticks() -> None:
    choices = played([whole(n * 0.25) for n in range(4 * 3600)], 3599.0)
    assert [choice.tick for choice in choices] == list(range(3600))
    assert all(choice.arrival is not None for choice in choices)


def test_it_says_when_to_ask_again() -> None:
    chooser = Chooser(SECOND, 0)
    assert chooser.wake_us(-7) == 0
    assert chooser.wake_us(0) == SECOND // 2
    list(chooser.offer(whole(0)))
    assert chooser.wake_us(3) == SECOND


@given(
    steps=st.lists(st.tuples(st.integers(0, 3_000_000), st.booleans(), st.booleans()), max_size=60),
    interval_us=st.integers(100_000, 20_000_000),
)
def test_whatever_comes_ticks_are_in_order_and_no_frame_serves_two(
    steps: list[tuple[int, bool, bool]], interval_us: int
) -> None:
    now_us, arrivals = 0, []
    for step_us, is_whole, patient in steps:
        now_us += step_us
        arrivals.append(Arrival(now_us, nothing, whole=is_whole, patient=patient))
    chooser = Chooser(interval_us, 0)
    choices = []
    for arrival in arrivals:
        decided = list(chooser.offer(arrival))
        # Each tick is decided within its reach, and not before it is due.
        assert all(arrival.arrived_us >= choice.tick * interval_us for choice in decided)
        choices += decided
    choices += chooser.decide(now_us + 10 * interval_us)
    assert [choice.tick for choice in choices] == list(range(len(choices)))
    used = [id(choice.arrival) for choice in choices if choice.arrival is not None]
    assert len(used) == len(set(used))
    for choice in choices:
        if choice.arrival is not None:
            late_us = choice.arrival.arrived_us - choice.tick * interval_us
            reach_us = min(interval_us // 2, 5_000_000)
            early_us = reach_us * 6 // 5 if choice.arrival.whole else reach_us
            assert -early_us <= late_us <= reach_us


@given(
    steps=st.lists(st.tuples(st.integers(0, 3_000_000), st.booleans()), max_size=40),
    questions=st.lists(st.integers(0, 120_000_000), max_size=20),
)
def test_asking_more_often_changes_nothing(
    steps: list[tuple[int, bool]], questions: list[int]
) -> None:
    """As long as whole frames are waited for: when one asks is chance, what is decided is not."""
    now_us, arrivals = 0, []
    for step_us, is_whole in steps:
        now_us += step_us
        arrivals.append(Arrival(now_us, nothing, whole=is_whole))
    plain = played(arrivals, 200.0)
    chooser = Chooser(SECOND, 0)
    moments = sorted(
        [*((a.arrived_us, 1, a) for a in arrivals), *((q, 0, None) for q in questions)],
        key=lambda moment: moment[:2],
    )
    asked = []
    for at_us, _, arrival in moments:
        asked += chooser.decide(at_us) if arrival is None else chooser.offer(arrival)
    asked += chooser.decide(200 * SECOND)
    assert asked == plain
