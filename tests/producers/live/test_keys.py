"""The time between key frames, as it is measured."""

from __future__ import annotations

from producers.live.keys import KeyIntervals


def noted(*moments_us: int) -> KeyIntervals:
    keys = KeyIntervals()
    for moment_us in moments_us:
        keys.note(moment_us)
    return keys


def test_nothing_is_known_before_the_second_key_frame() -> None:
    assert KeyIntervals().expected_us(5) == 0
    assert noted(100).expected_us(100) == 0


def test_it_is_the_median_of_the_last_ones() -> None:
    assert noted(0, 1000, 2000, 2100, 3100).expected_us(3100) == 1000
    assert noted(*range(0, 100, 10), *range(100, 2000, 400)).expected_us(1700) == 400


def test_while_one_is_awaited_for_longer_that_counts() -> None:
    """A camera that is set from a key frame a second to one a minute is noticed at once."""
    assert noted(0, 1000, 2000).expected_us(2500) == 1000
    assert noted(0, 1000, 2000).expected_us(9000) == 7000
