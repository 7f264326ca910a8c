"""What the gate drops, judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehertz.evaluate.judging import Agreement, Seen, course, decide, judge
from tests.onehertz.evaluate.made_up import (
    BOXES,
    ELSEWHERE,
    FAINT,
    PERSON,
    RULE,
    SEEN,
    ScriptedGate,
    box,
    ticks,
)
from vision.gate import Gate
from vision.scores import f1


def straight(count: int):
    return course([float(at) for at in range(count)], "none", 1_000_000)


def test_a_dropped_tick_has_the_boxes_of_the_last_kept_one() -> None:
    decided = decide(Gate(RULE), ticks(1, 1, 2, 2), straight(4), "clip", {})
    assert [one.kept for one in decided] == [True, False, True, False]
    assert [one.same_as for one in decided] == [0, 0, 2, 2]
    judged = judge(decided, Agreement(Seen("judge", [[PERSON], [PERSON], [], []])))
    assert [one.f1 for one in judged] == [1.0] * 4
    assert [one.empty for one in judged] == [False, False, True, True]


def test_a_box_at_the_threshold_counts_on_neither_side_of_the_tolerant_figure() -> None:
    seen = Seen("judge", [[PERSON], [PERSON, FAINT], [PERSON]], doubtful=0.6)
    gate = ScriptedGate([True, False, False])
    judged = judge(decide(gate, ticks(1, 1, 1), straight(3), "clip", {}), Agreement(seen))
    assert [one.f1 for one in judged] == pytest.approx([1.0, 2 / 3, 1.0])
    assert [one.f1_tolerant for one in judged] == [1.0] * 3


def test_presence_goes_by_groups_of_labels_and_tells_the_sure_ones() -> None:
    seen = Seen(
        "judge", [[box(label="car"), box(label="dog")], [box(label="truck"), FAINT]], doubtful=0.6
    )
    gate = ScriptedGate([True, False])
    _, second = judge(decide(gate, ticks(1, 1), straight(2), "clip", {}), Agreement(seen))
    assert second.present == {"vehicle", "person"}
    assert second.recalled == {"vehicle"}
    assert second.surely_present == {"vehicle"}


def test_what_a_detector_saw_is_taught_after_each_kept_tick_and_only_then() -> None:
    gate = ScriptedGate([True, False, True, True])
    lessons = {0: [PERSON], 1: [ELSEWHERE], 2: None}  # of the last one nothing is known
    decide(gate, ticks(1, 1, 2, 3), straight(4), "clip", lessons)
    assert gate.taught == [("clip:0", [PERSON]), ("clip:50", None)]


def test_warmed_up_on_the_first_part_the_rest_is_judged() -> None:
    order = course([float(at) for at in range(10)], "first", 1_000_000)
    assert order.numbers == tuple(range(10))
    assert order.judged == tuple(range(4, 10))


def test_warmed_up_on_the_last_part_the_first_is_judged_and_comes_later() -> None:
    order = course([float(at) for at in range(10)], "last", 1_000_000)
    assert order.numbers == (4, 5, 6, 7, 8, 9, 0, 1, 2, 3)
    assert order.judged == (0, 1, 2, 3)
    gate = ScriptedGate([True] + [False] * 9)
    decided = decide(gate, ticks(*range(10)), order, "clip", {})
    assert gate.times_us == [s * 1_000_000 for s in (4, 5, 6, 7, 8, 9, 10, 11, 12, 13)]
    assert {one.same_as for one in decided} == {4}


@given(st.integers(0, 40), st.sampled_from(["none", "first", "last"]))
def test_each_tick_comes_once_and_times_rise(count: int, warm_up) -> None:
    order = course([at * 0.5 for at in range(count)], warm_up, 500_000)
    assert sorted(order.numbers) == list(range(count))
    assert all(one < other for one, other in zip(order.times_us, order.times_us[1:], strict=False))
    assert warm_up == "none" or 0 <= len(order.judged) <= count


def test_both_parts_together_are_the_whole() -> None:
    times = [float(at) for at in range(17)]
    parts = [course(times, warm_up, 1_000_000).judged for warm_up in ("first", "last")]
    assert sorted(parts[0] + parts[1]) == list(range(17))


@given(BOXES, BOXES)
def test_agreement_is_the_f1_of_the_two_ticks(one, other) -> None:
    seen = Seen("judge", [one, other], doubtful=0.6)
    agreement = Agreement(seen)
    for _ in range(2):  # the second time from memory
        assert agreement.f1((1, 0)) == f1(one, other)
    assert agreement.f1((0, 0)) == 1.0
    assert agreement.tolerant((1, 0)) == pytest.approx(
        1.0 if f1(one, other) == 1 else f1(one, other, doubtful=0.6)
    )


@given(SEEN)
def test_a_gate_that_keeps_everything_is_never_wrong(seen) -> None:
    count = len(seen)
    gate = ScriptedGate([True] * count)
    judged = judge(
        decide(gate, ticks(*[0] * count), straight(count), "clip", {}),
        Agreement(Seen("judge", seen, 0.6)),
    )
    assert all(one.f1 == one.f1_tolerant == 1.0 for one in judged)
    assert all(one.present == one.recalled for one in judged)
