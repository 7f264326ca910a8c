"""Which files are finished."""

from __future__ import annotations

from producers.landed.settling import Settling
from producers.landed.stores import Found

SETTLE_US = 10_000_000


def names(settling: Settling, now_us: int) -> list[str]:
    return [found.name for found in settling.settled(now_us)]


def test_a_file_is_finished_when_it_has_been_the_same_for_long_enough() -> None:
    settling = Settling(SETTLE_US)
    settling.note(Found("a.mp4", "1", 0), 0)
    settling.note(Found("a.mp4", "1", 0), 9_999_999)
    assert names(settling, 9_999_999) == []
    assert names(settling, SETTLE_US) == ["a.mp4"]


def test_a_file_that_grows_is_not_finished() -> None:
    settling = Settling(SETTLE_US)
    for second in range(100):
        settling.note(Found("a.mp4", str(second), 0), second * 1_000_000)
        assert names(settling, second * 1_000_000 + 999_999) == []
    assert names(settling, 99_000_000 + SETTLE_US) == ["a.mp4"]


def test_a_file_that_turns_out_to_be_written_waits_as_long_again() -> None:
    settling = Settling(SETTLE_US)
    settling.note(Found("a.mp4", "1", 0), 0)
    settling.start_anew("a.mp4", SETTLE_US)
    assert names(settling, 2 * SETTLE_US - 1) == []
    assert names(settling, 2 * SETTLE_US) == ["a.mp4"]


def test_what_is_dropped_is_forgotten() -> None:
    settling = Settling(SETTLE_US)
    settling.note(Found("a.mp4", "1", 0), 0)
    settling.drop("a.mp4")
    settling.drop("never.mp4")
    assert settling.names == []


def test_a_file_is_first_when_none_that_is_watched_comes_before_it() -> None:
    settling = Settling(SETTLE_US)
    settling.note(Found("2.mp4", "1", 0), 0)
    assert settling.is_first("1.mp4")
    assert settling.is_first("2.mp4")
    assert not settling.is_first("3.mp4")
