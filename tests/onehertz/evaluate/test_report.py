"""Figures of sources, judges and totals."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehertz.evaluate.curves import GATE, ORACLE
from onehertz.evaluate.judging import Boxes
from onehertz.evaluate.objects import Fate, Object
from onehertz.evaluate.report import Figures, total_row
from onehertz.evaluate.run import Plan, Result, results, rows
from tests.onehertz.evaluate.made_up import (
    ELSEWHERE,
    PERSON,
    RULE,
    SEEN,
    ScriptedGate,
    a_pass,
    box,
    judge_of,
)
from vision.gate import GateRule


def result(
    kept: Sequence[bool] | None, seen: Sequence[Boxes], *, source: str = "clip.mp4", **plan
) -> Result:
    """Of one pass over a still scene; `kept` None: by the real gate."""
    scripted = {} if kept is None else {"gate": lambda rule: ScriptedGate(kept)}
    one = a_pass([1] * len(seen), {"model": seen}, source)
    (found,) = results(
        [one],
        Plan(RULE, **scripted, **plan),
        {"model": judge_of("model")},
    )
    return found


def row(kept: Sequence[bool] | None, *seen: Boxes, **plan) -> dict:
    return result(kept, seen, **plan).figures.row("clip", "model")


def test_what_is_missed_shows_in_every_figure() -> None:
    found = row(None, [], [PERSON], [PERSON], [])
    assert found["frames"] == 4
    assert found["dropped"] == 0.75
    assert found["inferences_saved"] == 3
    assert found["f1"] == 0.5
    assert found["f1_nonempty"] == 0.0
    assert found["presence_recall"] == 0.0
    assert found["presence_missed"] == 2
    assert found["oracle_dropped"] == 0.25  # it keeps the person, and that he is gone
    assert found["of_oracle"] == 3.0
    assert (found["onsets"], found["onset_recall"], found["onset_delay_s"]) == (1, 0.0, None)
    assert found["by_class"]["person"]["recall"] == 0.0
    assert found["by_class"]["person"]["objects_shown"] == 0


def test_an_object_of_two_ticks_that_no_kept_frame_shows_is_listed() -> None:
    missed = row(None, [], [PERSON], [PERSON], [])["objects_missed"]
    assert missed == [
        {
            "source": "clip.mp4", "label": "person", "size": "large", "from_s": 1.0, "to_s": 2.0,
            "ticks": 2, "score": 0.9, "sure": True,
        }
    ]  # fmt: skip
    assert row(None, [], [PERSON], [], [])["objects_missed"] == []  # on one tick only


def test_what_is_missed_and_was_never_sure_is_told_apart() -> None:
    faint = box(0.6, label="dog", score=0.5)
    found = row([True, False, False], [], [PERSON, faint], [PERSON, faint])
    assert (found["onset_recall"], found["onset_recall_sure"]) == (0.0, 0.0)
    assert (len(found["objects_missed"]), found["objects_missed_sure"]) == (2, 1)
    found = row([True, False, False], [], [faint], [faint])
    assert (found["onset_recall"], found["onset_recall_sure"]) == (0.0, None)


def test_an_onset_that_is_caught_late_tells_its_delay() -> None:
    found = row([True, False, False, True], [], [PERSON], [PERSON], [PERSON])
    assert (found["onsets"], found["onset_recall"], found["onset_delay_s"]) == (1, 1.0, 2.0)
    assert found["objects_missed"] == []


def test_results_are_told_by_class_and_by_size() -> None:
    small, car = box(0.5, 0.03, height=0.05), box(0.6, 0.3, label="car")
    found = row([True, False], [PERSON, small], [PERSON, car])
    assert found["by_class"]["person"] == {
        "boxes": 3, "recall": 1.0, "f1": pytest.approx(6 / 7, abs=1e-4), "objects": 2,
        "objects_shown": 2, "onsets": 0, "onset_recall": None,
    }  # fmt: skip
    assert found["by_class"]["car"]["recall"] == 0.0
    assert found["by_class"]["car"]["onset_recall"] == 0.0
    assert found["by_size"]["small"]["boxes"] == 1
    assert sum(one["boxes"] for one in found["by_size"].values()) == 4


def test_an_onset_that_is_missed_is_not_made_up_for_by_what_was_there_before() -> None:
    found = row([True, False, False], [PERSON], [PERSON, ELSEWHERE], [PERSON, ELSEWHERE])
    assert found["by_class"]["person"]["objects_shown"] == 1
    assert found["by_class"]["person"]["onset_recall"] == 0.0


def test_a_delay_is_told_in_seconds() -> None:
    late = Fate(Object("person", [1, 2], [PERSON] * 2), appears=True, delay_ticks=1)
    figures = Figures()
    figures.add_objects([late], [], interval_s=2.0, doubtful=0.6)
    assert figures.row("clip", "model")["onset_delay_s"] == 2.0


def test_presence_of_what_is_surely_there_is_told_apart() -> None:
    faint_dog = box(label="dog", score=0.5)
    found = row([True, False], [PERSON], [PERSON, faint_dog])
    assert found["presence_recall"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["presence_recall_sure"] == 1.0


def test_the_gate_is_tried_with_a_grid_of_thresholds_about_its_own() -> None:
    tried: list[float] = []

    def gate(rule) -> ScriptedGate:
        tried.append(rule.threshold)
        return ScriptedGate([True])

    found = result(None, [[]], gate=gate)
    own = GateRule().threshold
    assert sorted(tried) == [own * part / 4 for part in (1, 2, 3, 4, 5, 6, 8, 12, 16)]
    assert [at for name, at in found.curves if name == GATE] == sorted(tried)


def test_what_happened_to_whole_pictures_is_counted() -> None:
    found = result(None, [[]] * 3, gate=lambda rule: ScriptedGate([True] * 3, "moved"))
    assert total_row([found.figures, found.figures], "model")["scenes"] == {"moved": 6}
    assert row([True, False], [], [])["scenes"] == {}


@pytest.mark.parametrize(("taught", "expects"), [({}, False), ({0: [PERSON]}, True)])
def test_the_gate_expects_feedback_where_there_is_a_teacher(taught: dict, expects: bool) -> None:
    rules = []

    def gate(rule) -> ScriptedGate:
        rules.append(rule)
        return ScriptedGate([True])

    one = a_pass([1], {"model": [[]]})
    results([one], Plan(RULE, gate=gate), {"model": judge_of("model")}, {"x": lambda _: taught})
    assert {rule.feedback for rule in rules} == {expects}


def test_the_worst_tick_is_told_with_the_frame_that_it_equals() -> None:
    found = row([True, True, False], [], [], [PERSON])
    assert (found["f1_worst"], found["worst_at_s"]) == (0.0, 2.0)
    assert (found["worst_frame"], found["worst_sameas_frame"]) == (50, 25)
    good = result(None, [[]] * 4, source="good.mp4").figures
    bad = result([True, False], [[], [PERSON]], source="bad.mp4").figures
    for figures in ([good, bad], [bad, good]):
        total = total_row(figures, "model")
        assert (total["worst_source"], total["f1_worst"], total["worst_frame"]) == (
            "bad.mp4",
            0,
            25,
        )


def test_presence_missed_is_told_of_all_passes_and_of_the_worst() -> None:
    passes = [a_pass([1] * 3, {"model": seen}) for seen in ([[], [PERSON], [PERSON]], [[]] * 3)]
    (found,) = results(passes * 2, Plan(RULE), {"model": judge_of("model")})
    told = found.figures.row("clip", "model")
    assert (told["passes"], told["presence_missed"], told["presence_missed_most"]) == (4, 4, 2)


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("warm_up", ["none", "first", "last"])
def test_a_pass_of_next_to_no_ticks_is_judged_as_far_as_it_goes(count: int, warm_up) -> None:
    found = result(None, [[PERSON]] * count, warm_ups=(warm_up,))
    assert list(rows([found, found]))[-1]["frames"] <= 2 * count


def test_only_the_ticks_after_the_warm_up_count() -> None:
    seen = [[PERSON]] * 4 + [[ELSEWHERE]] * 6
    kept = [True] + [False] * 9
    assert row(kept, *seen, warm_ups=("first",))["f1"] == 0.0
    assert row(kept, *seen, warm_ups=("last",))["f1"] == 0.0  # has what the last part showed
    assert row(kept, *seen)["f1"] == 0.4


def test_a_total_is_over_all_ticks_and_a_mean_counts_each_source_once() -> None:
    one = result(None, [[], [PERSON]]).figures
    other = result(None, [[]] * 4).figures
    found = total_row([one, other], "model")
    assert found["frames"] == 6
    assert found["f1"] == pytest.approx(5 / 6, abs=1e-4)
    assert found["mean_f1"] == 0.75
    assert found["least_f1"] == 0.5
    assert found["dropped"] == pytest.approx(4 / 6, abs=1e-4)
    assert found["mean_dropped"] == pytest.approx((0.5 + 0.75) / 2, abs=1e-4)
    assert found["mean_of_oracle"] == pytest.approx(0.625 / 0.375, abs=1e-3)


def test_of_no_ticks_nothing_is_told() -> None:
    found = Figures().row("clip", "model")
    assert found["f1"] is None
    assert found["dropped"] is None
    assert found["worst_at_s"] is None
    assert total_row([], "model")["mean_of_oracle"] is None


def test_rows_come_by_judge_teacher_and_warm_up_each_with_a_total() -> None:
    found = []
    names = ("x", "y", "z")
    teachers = {name: (lambda one, name=name: dict(enumerate(one.seen[name]))) for name in "xz"}
    for source in ("a.mp4", "b.mp4"):
        one = a_pass([1] * 5, {name: [[PERSON]] * 5 for name in names}, source)
        judges = {name: judge_of(name) for name in names}
        plan = Plan(RULE, warm_ups=("first", "last"), gate=lambda rule: ScriptedGate([True] * 5))
        found += results([one], plan, judges, teachers)
    told = [
        (one["model"], one["feedback"], one["warm_up"], one["source"]) for one in rows(found)
    ]  # fmt: skip
    assert told[:3] == [("y", "x", "first", name) for name in ("a.mp4", "b.mp4", "total")]
    assert {one[:2] for one in told} == {("y", "x"), ("z", "x"), ("x", "z"), ("y", "z")}
    assert len(told) == len(set(told)) == 4 * 2 * 3


def test_baselines_are_held_to_the_gates_f1() -> None:
    found = [result(None, [[]] * 6), result(None, [[]] * 3, source="other.mp4")]
    *_, total = rows(found)
    assert total["baselines"]["dHash"]["dropped"] == pytest.approx(7 / 9, abs=1e-4)
    assert total["everywhere"]["gate"]["dropped"] == pytest.approx((5 / 6 + 2 / 3) / 2, abs=1e-4)
    assert total["everywhere"]["every nth"]["dropped"] == pytest.approx(0.75, abs=1e-4)


def test_what_the_teacher_saw_reaches_the_gate_and_never_a_judge() -> None:
    gates: list[ScriptedGate] = []

    def gate(rule) -> ScriptedGate:
        gates.append(ScriptedGate([True, False, True]))
        return gates[-1]

    one = a_pass([1, 1, 2], {"model": [[]] * 3, "teacher": [[PERSON]] * 3})
    judges = {name: judge_of(name) for name in ("model", "teacher")}
    teachers = {"teacher": lambda o: dict(enumerate(o.seen["teacher"]))}
    (found,) = results([one], Plan(RULE, gate=gate), judges, teachers)
    assert (found.judge, found.feedback) == ("model", "teacher")
    assert all(g.taught == [("clip.mp4:0", [PERSON]), ("clip.mp4:50", [PERSON])] for g in gates)
    assert found.figures.present == 0


@given(SEEN, st.data())
def test_keeping_everything_is_perfect_whatever_is_there(seen, data) -> None:
    count = len(seen)
    found = row([True] * count, *seen)
    assert (found["f1"], found["f1_tolerant"], found["dropped"]) == (1.0, 1.0, 0.0)
    assert found["presence_missed"] == 0
    assert found["onset_recall"] in {None, 1.0}
    assert found["objects_missed"] == []
    kept = [True, *data.draw(st.lists(st.booleans(), min_size=count - 1, max_size=count - 1))]
    other = row(kept, *seen)
    assert other["dropped"] == round(kept.count(False) / count, 4)
    assert 0 <= other["f1"] <= other["f1_tolerant"] <= 1


@given(SEEN)
def test_the_oracle_holds_its_f1_and_drops_more_the_less_it_holds(seen) -> None:
    found = result(None, seen)
    for (name, least), one in found.curves.items():
        if name == ORACLE:
            assert one.f1 >= least - 1e-9
    assert found.curves[GATE, RULE.threshold].dropped == found.figures.dropped
