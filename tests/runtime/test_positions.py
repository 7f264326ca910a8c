"""What is committed of a partition with transactions' markers in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.positions import Positions

PLACE = ("in", 0)


def test_the_end_is_committed_when_all_before_it_is_done() -> None:
    positions = Positions()
    positions.start(PLACE, 5)
    positions.handed_out(PLACE, 5)
    assert positions.at_end(PLACE, 7) is None  # not done yet
    assert positions.done(PLACE, 6) == 7


def test_an_end_that_is_told_later_is_committed_then() -> None:
    positions = Positions()
    positions.start(PLACE, 5)
    positions.handed_out(PLACE, 5)
    assert positions.done(PLACE, 6) == 6
    assert positions.at_end(PLACE, 7) == 7


def test_a_marker_that_an_earlier_owner_left_behind_is_committed() -> None:
    positions = Positions()
    positions.start(PLACE, 5)
    assert positions.at_end(PLACE, 6) == 6


def test_an_end_that_is_no_further_is_nothing_new() -> None:
    positions = Positions()
    positions.start(PLACE, 5)
    assert positions.at_end(PLACE, 5) is None


def test_the_end_of_a_partition_that_is_another_s_is_nothing() -> None:
    positions = Positions()
    positions.start(PLACE, 5)
    positions.forget([PLACE])
    assert positions.at_end(PLACE, 6) is None


@given(st.lists(st.sampled_from(["record", "marker", "end", "done"]), max_size=60))
def test_what_is_committed_never_goes_beyond_a_record_that_is_not_done(steps: list[str]) -> None:
    """Against the log itself: records and markers, read to the last that is there."""
    positions, log, undone = Positions(), 0, list[int]()
    positions.start(PLACE, 0)
    committed = 0
    for step in steps:
        told = None
        if step == "record":
            positions.handed_out(PLACE, log)
            undone.append(log)
        if step == "end":
            told = positions.at_end(PLACE, log)
        if step == "done" and undone:
            told = positions.done(PLACE, undone.pop(0) + 1)
        log += step in ("record", "marker")
        committed = told if told is not None else committed
        assert committed <= (undone[0] if undone else log)
    end = positions.at_end(PLACE, log)
    if not undone:
        assert (end or committed) == log


def test_an_end_that_was_known_before_a_new_start_counts_no_more() -> None:
    positions = Positions()
    positions.start(PLACE, 5)
    assert positions.at_end(PLACE, 9) == 9
    positions.start(PLACE, 3)  # as after a rewind
    assert positions.done(PLACE, 3) == 3
