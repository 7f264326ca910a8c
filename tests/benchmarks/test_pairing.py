"""Pairs measured in turn, and the statistics of their ratios."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.method.pairing import Pair, compare, interleaved, windows

figures = st.floats(1e-3, 1e6)
pairs = st.lists(st.builds(Pair, figures, figures), min_size=1, max_size=20)


def test_the_sides_are_measured_in_turn_and_not_one_after_the_other() -> None:
    measured: list[str] = []

    def side(name: str) -> int:
        measured.append(name)
        return len(measured)

    rounds = interleaved(3, {"ours": lambda: side("ours"), "bare": lambda: side("bare")})
    assert measured == ["ours", "bare"] * 3
    assert rounds == [{"ours": 1, "bare": 2}, {"ours": 3, "bare": 4}, {"ours": 5, "bare": 6}]


def test_no_round_measures_nothing() -> None:
    with pytest.raises(ValueError, match="0 rounds"):
        interleaved(0, {"ours": lambda: 1})


def test_a_slow_minute_of_the_machine_does_not_move_the_ratio() -> None:
    # In the second round everything took ten times as long, in ours and in the other alike.
    found = compare([Pair(2.0, 1.0), Pair(20.0, 10.0), Pair(2.2, 1.1)])
    assert (found.ratio_min, found.ratio, found.ratio_max) == pytest.approx((2.0, 2.0, 2.0))
    assert (found.ours, found.other) == (2.2, 1.1)


def test_one_odd_round_shows_in_the_spread_and_not_in_the_ratio() -> None:
    found = compare([Pair(1.0, 1.0), Pair(1.1, 1.0), Pair(9.0, 1.0)])
    assert (found.ratio_min, found.ratio, found.ratio_max) == (1.0, 1.1, 9.0)


@pytest.mark.parametrize("measured", [[], [Pair(1.0, 0.0)], [Pair(1.0, 2.0), Pair(1.0, -1.0)]])
def test_there_is_no_ratio_to_nothing(measured: list[Pair]) -> None:
    with pytest.raises(ValueError, match="no ratio"):
        compare(measured)


@given(pairs)
def test_the_ratio_lies_within_its_spread(measured: list[Pair]) -> None:
    found = compare(measured)
    assert found.ratio_min <= found.ratio <= found.ratio_max
    assert found.ratio_min in [pair.ours / pair.other for pair in measured]


@given(pairs)
def test_the_order_of_the_rounds_does_not_matter(measured: list[Pair]) -> None:
    assert compare(measured) == compare(sorted(measured))


@given(st.lists(st.integers(), min_size=1), st.data())
def test_windows_are_consecutive_and_of_nearly_one_length(
    values: list[int], data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, len(values)))
    parts = windows(values, count)
    assert [value for part in parts for value in part] == values
    assert len(parts) == count
    assert {len(part) for part in parts} <= {len(values) // count, len(values) // count + 1}


@pytest.mark.parametrize("count", [0, 4])
def test_three_values_have_one_to_three_windows(count: int) -> None:
    with pytest.raises(ValueError, match="parts"):
        windows([1, 2, 3], count)
