from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from producers.pace import Pace

SECOND = 1_000_000


def test_real_time_is_one_interval_of_the_clock_per_tick() -> None:
    pace = Pace(SECOND, 1.0, started_us=500)
    assert [pace.due_at(seq) for seq in (0, 1, 3600)] == [500, 500 + SECOND, 500 + 3600 * SECOND]


def test_as_fast_as_it_goes_every_tick_is_due_at_once() -> None:
    pace = Pace(SECOND, None, started_us=500)
    assert pace.wait_us(0, 500) == pace.wait_us(10**6, 500) == 0


def test_a_resumed_run_begins_with_its_first_tick() -> None:
    assert Pace(SECOND, 2.0, started_us=0, first_seq=100).due_at(101) == SECOND // 2


def test_an_overdue_tick_does_not_wait_and_the_next_one_is_due_as_if_nothing_had_been() -> None:
    pace = Pace(SECOND, 1.0, started_us=0)
    assert pace.wait_us(1, 1_700_000) == 0
    assert pace.wait_us(2, 1_700_000) == 300_000


@given(st.integers(100_000, 86_400 * SECOND), st.floats(0.01, 1000.0), st.integers(0, 10**7))
def test_ticks_never_drift_from_media_time(interval_us: int, speed: float, seq: int) -> None:
    due = Pace(interval_us, speed, started_us=0).due_at(seq)
    assert abs(due - seq * interval_us / speed) <= 1 + due * 1e-12
