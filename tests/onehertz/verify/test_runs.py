"""Gaps in a run's numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehertz.verify.runs import Gap, Place, Run, gaps


def run_of(*numbers: int, whole: bool = True) -> Run:
    run = Run(whole=whole)
    for offset, number in enumerate(numbers):
        run.take(number, offset)
    return run


@pytest.mark.parametrize(
    ("before", "number", "place"),
    [
        ([], 7, "next"),
        ([7], 8, "next"),
        ([7], 9, "beyond"),
        ([7, 9], 8, "late"),
        ([7, 8], 7, "again"),
        ([7], 5, "late"),
    ],
)
def test_a_number_has_its_place(before: list[int], number: int, place: Place) -> None:
    assert run_of(*before).take(number, 9) == place


def test_what_lies_before_a_topic_without_its_beginning_is_older() -> None:
    run = run_of(7, 8, whole=False)
    assert run.take(3, 9) == "older"
    assert gaps([(0, run)]) == []


def test_a_gap_is_told_with_the_message_behind_it() -> None:
    assert gaps([(4, run_of(0, 1, 5, 6))]) == [Gap(2, 4, 4, 2)]


def test_a_run_may_begin_with_0_or_1_and_with_nothing_else() -> None:
    assert gaps([(0, run_of(0))]) == gaps([(0, run_of(1))]) == []
    assert gaps([(0, run_of(2))]) == [Gap(0, 1, 0, 0)]
    assert gaps([(0, run_of(2, whole=False))]) == []


def test_a_run_on_two_partitions_has_the_numbers_of_both() -> None:
    assert gaps([(0, run_of(0, 1, 4)), (1, run_of(2, 3))]) == []
    assert gaps([(0, run_of(0, 1, 2)), (1, run_of(1))]) == []


@given(st.lists(st.integers(0, 30)), st.booleans())
def test_the_gaps_are_what_is_missing_between_the_numbers(numbers: list[int], split: bool) -> None:
    unique = list(dict.fromkeys(numbers))
    runs = [run_of(*unique[::2]), run_of(*unique[1::2])] if split else [run_of(*unique)]
    found = [n for gap in gaps(enumerate(runs)) for n in range(gap.first, gap.last + 1)]
    expected = set(range(max(unique, default=-1))) - set(unique)
    if 0 in expected and 1 in unique:
        expected.remove(0)
    assert found == sorted(expected)


@given(st.lists(st.integers(0, 12), min_size=1))
def test_a_number_is_again_if_and_only_if_it_was_there(numbers: list[int]) -> None:
    run = Run(whole=True)
    seen: set[int] = set()
    for offset, number in enumerate(numbers):
        assert (run.take(number, offset) == "again") == (number in seen)
        seen.add(number)
