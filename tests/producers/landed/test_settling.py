"""Which files are finished."""

from __future__ import annotations

from producers.landed.settling import Settling
from producers.landed.stores import Found

SETTLE_US = 10_000_000


def due(settling: Settling, now_us: int) -> list[str]:
    return [found.name for found in settling.due(now_us)]


def test_a_file_is_finished_when_it_has_been_the_same_for_long_enough() -> None:
    settling = Settling(SETTLE_US)
    assert not settling.note(Found("a.mp4", "1", 0), 0)
    assert settling.note(Found("a.mp4", "1", 0), 9_999_999)
    assert due(settling, 9_999_999) == []
    assert settling.next_due_us() == SETTLE_US
    assert due(settling, SETTLE_US) == ["a.mp4"]


def test_a_file_that_grows_is_not_finished() -> None:
    settling = Settling(SETTLE_US)
    for second in range(100):
        assert not settling.note(Found("a.mp4", str(second), 0), second * 1_000_000)
        assert due(settling, second * 1_000_000 + 999_999) == []
    assert due(settling, 99_000_000 + SETTLE_US) == ["a.mp4"]


def test_a_file_that_turns_out_to_be_written_waits_as_long_again() -> None:
    settling = Settling(SETTLE_US)
    settling.note(Found("a.mp4", "1", 0), 0)
    settling.start_anew("a.mp4", SETTLE_US)
    assert due(settling, 2 * SETTLE_US - 1) == []
    assert due(settling, 2 * SETTLE_US) == ["a.mp4"]


def test_the_first_that_is_due_says_when_to_look_again() -> None:
    settling = Settling(SETTLE_US)
    settling.note(Found("b.mp4", "1", 0), 3)
    settling.note(Found("a.mp4", "1", 0), 5)
    assert settling.next_due_us() == SETTLE_US + 3


def test_what_is_dropped_is_forgotten() -> None:
    settling = Settling(SETTLE_US)
    settling.note(Found("a.mp4", "1", 0), 0)
    settling.drop("a.mp4")
    settling.drop("never.mp4")
    assert settling.watched == []
    assert settling.next_due_us() is None
