"""Waiting before the next try."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from producers.live.backoff import GOOD_AFTER_US, LONGEST_S, Backoff


def test_it_doubles_up_to_its_cap() -> None:
    backoff = Backoff(chance=lambda: 0.0)
    assert [backoff.wait_s(0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_good_connection_makes_it_short_again() -> None:
    backoff = Backoff(chance=lambda: 0.0)
    for _ in range(6):
        backoff.wait_s(0)
    assert backoff.wait_s(GOOD_AFTER_US - 1) == LONGEST_S
    assert backoff.wait_s(GOOD_AFTER_US) == 1


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_it_never_waits_longer_than_its_cap_nor_hammers(chances: list[float]) -> None:
    numbers = iter(chances)
    backoff = Backoff(chance=lambda: next(numbers))
    assert all(0.5 <= backoff.wait_s(0) <= LONGEST_S for _ in chances)


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=200, max_size=200))
def test_a_camera_that_stays_for_eight_seconds_at_a_time_is_found_each_time(
    chances: list[float],
) -> None:
    numbers = iter(chances)
    backoff = Backoff(chance=lambda: next(numbers))
    now_s = 0.0
    for number in range(20):
        comes_s, goes_s = number * 10.5, number * 10.5 + 8
        while now_s < comes_s:
            now_s += backoff.wait_s(0)
        assert now_s <= goes_s - 3
        now_s = goes_s + backoff.wait_s(round((goes_s - now_s) * 1e6))
