"""Sources, one after the other, from file to figures, curves and the worst drops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from onehertz.evaluate import curves
from onehertz.evaluate.baselines import NAMES, ORACLE_F1, baselines, oracle
from onehertz.evaluate.breakdown import break_down
from onehertz.evaluate.curves import Curves, Tally, tally
from onehertz.evaluate.judging import (
    Agreement,
    Choice,
    Course,
    Decided,
    Deciding,
    Judged,
    Seen,
    WarmUp,
    course,
    decide,
    judge,
)
from onehertz.evaluate.objects import fates, objects
from onehertz.evaluate.panel import NOBODY, Judge, Lessons, Panel, Teachers
from onehertz.evaluate.report import Figures, Row, missed, total_row
from onehertz.evaluate.sheet import DROPS, Drop, worst
from onehertz.evaluate.ticks import Pass
from runtime.errors import UserError
from vision.gate import Gate, GateRule


@dataclass(frozen=True, slots=True)
class Plan:
    """How sources are evaluated. `gate`: makes a new one."""

    rule: GateRule
    interval_us: int = 1_000_000
    phases: int = 10
    warm_ups: Sequence[WarmUp] = ("none",)
    gate: Callable[[GateRule], Deciding] = Gate

    @property
    def refresh(self) -> int:
        """Ticks after which a frame is kept in any case."""
        return max(1, round(self.rule.refresh_us / self.interval_us))

    def decisions(
        self, one: Pass, warm_up: WarmUp, lessons: Lessons, factor: float = 1.0
    ) -> tuple[Course, list[Decided]]:
        """Of a new gate, with so many times the threshold, on the ticks that count."""
        order = course([tick.time_s for tick in one.ticks], warm_up, self.interval_us)
        threshold = self.rule.threshold * factor
        rule = replace(self.rule, threshold=threshold, feedback=bool(lessons))
        decided = decide(self.gate(rule), one.ticks, order, one.source.name, lessons)
        return order, decided[order.judged_from :]


@dataclass(slots=True)
class Result:
    """Of one source, as one judge sees it."""

    source: str
    judge: str
    warm_up: WarmUp = "none"
    feedback: str | None = None
    figures: Figures = field(default_factory=Figures)
    curves: Curves = field(default_factory=dict)
    drops: list[Drop] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str | None, WarmUp]:
        """What results of several sources have in common that belong together."""
        return self.judge, self.feedback, self.warm_up


def all_results(sources: Iterable[Path], panel: Panel, plan: Plan) -> list[Result]:
    """Of each source, judge and warm-up. Raises UserError: a source is no video."""
    found = []
    for place, source in enumerate(sources):
        passes = panel.read(place, source, plan.interval_us, plan.phases)
        found += results(passes, plan, panel.judges(place), panel.teachers)
    return found


def results(
    passes: Sequence[Pass], plan: Plan, judges: Mapping[str, Judge], teachers: Teachers = NOBODY
) -> list[Result]:
    """Of the passes over one source: of each warm-up, teacher, and judge who is not the teacher."""
    found: list[Result] = []
    for warm_up, (name, teacher) in product(plan.warm_ups, teachers.items()):
        others = {judge: see for judge, see in judges.items() if judge != name}
        some = {judge: Result(str(passes[0].source), judge, warm_up, name) for judge in others}
        for one in passes if others else ():
            if one.ticks:
                lessons = teacher(one)
                order, decided = plan.decisions(one, warm_up, lessons)
                tried = _tried(one, plan, warm_up, lessons, decided, order)
                for judge, see in others.items():
                    _add(some[judge], one, order, decided, tried, see(one), plan.refresh)
        found += some.values()
    return found


Tried = Mapping[curves.Point, Sequence[Choice]]


def _tried(
    one: Pass,
    plan: Plan,
    warm_up: WarmUp,
    lessons: Lessons,
    decided: Sequence[Decided],
    order: Course,
) -> Tried:
    """The gate with its own threshold, which has decided already, and with others; baselines."""
    found: dict[curves.Point, Sequence[Choice]] = {
        (name, threshold): choices
        for name, threshold, choices in baselines(one.ticks, order, plan.refresh)
    }
    for factor in curves.GATE_GRID:
        decisions = decided if factor == 1 else plan.decisions(one, warm_up, lessons, factor)[1]
        threshold = round(plan.rule.threshold * factor, 6)
        found[curves.GATE, threshold] = [single.choice for single in decisions]
    found[curves.OWN, plan.rule.threshold] = [single.choice for single in decided]
    return found


def _add(
    result: Result,
    one: Pass,
    order: Course,
    decided: Sequence[Decided],
    tried: Tried,
    seen: Seen,
    refresh: int,
) -> None:
    agreement = Agreement(seen)
    judged = judge(decided, agreement)
    perfect = oracle(agreement, order, refresh)
    saved = sum(number != same_as for number, same_as in perfect)
    result.figures.add_ticks(str(one.source), one.ticks, judged, saved)
    _add_objects(result.figures, one, order, judged, seen)
    tallies = {point: tally(choices, agreement) for point, choices in tried.items()}
    for least in curves.ORACLE_GRID:
        choices = oracle(agreement, order, refresh, least)
        tallies[curves.ORACLE, least] = tally(choices, agreement)
    result.curves = curves.together([result.curves, tallies])
    bad = [Drop.of(one, single, seen) for single in judged if single.f1 < 1.0]
    result.drops = worst([*result.drops, *bad], DROPS)


def _add_objects(
    figures: Figures, one: Pass, order: Course, judged: Sequence[Judged], seen: Seen
) -> None:
    numbers, decided = order.judged, [single.decided for single in judged]
    kept = {single.number for single in decided if single.kept}
    aspect = one.ticks[0].width / one.ticks[0].height
    found = fates(objects(seen, numbers, aspect), numbers, kept)
    lost = missed(str(one.source), one.ticks, found, seen.doubtful)
    figures.add_objects(found, lost, one.interval_us / 1e6, seen.doubtful)
    figures.breakdown.add(break_down(one.ticks, decided, seen, found))


def decision_lines(sources: Sequence[Path], panel: Panel, plan: Plan) -> Iterator[Row]:
    """What `--decisions` prints: a row for each tick of each source's first pass.

    Raises UserError: several teachers or parts, whose lines could not be told apart.
    """
    if len(panel.teachers) * len(plan.warm_ups) > 1:
        raise UserError("--decisions: of one --feedback and one --warm-up at a time")
    ((teacher, warm_up),) = product(panel.teachers.values(), plan.warm_ups)
    for place, source in enumerate(sources):
        (one,) = panel.read(place, source, plan.interval_us, 1)
        for single in plan.decisions(one, warm_up, teacher(one))[1]:
            yield {
                "source": str(source),
                "time_s": round(one.ticks[single.number].time_s, 6),
                "frame_index": one.ticks[single.number].frame_index,
                "kept": single.kept,
                "because": single.because,
                "score": round(single.score, 3),
                "sameas_s": round(one.ticks[single.same_as].time_s, 6),
                **({} if single.scene is None else {"scene": single.scene}),
            }


def rows(found: Sequence[Result]) -> Iterator[Row]:
    """What `--json` prints: for each judge, teacher and warm-up a row per source, and a total."""
    for key in dict.fromkeys(one.key for one in found):
        judge_name, feedback, warm_up = key
        about = {"warm_up": warm_up, "feedback": feedback}
        chosen = [one for one in found if one.key == key]
        for one in chosen:
            row = one.figures.row(one.source, judge_name)
            yield row | about | {"baselines": held_against(one.curves)}
        if len(chosen) > 1:
            row = total_row([one.figures for one in chosen], judge_name)
            yield row | about | _over_all([one.curves for one in chosen])


def held_against(found: Curves) -> Row:
    """What each baseline drops at most with the gate's F1."""
    own = next((one for (name, _), one in found.items() if name == curves.OWN), Tally())
    return {name: curves.best(found, name, own.f1) for name in NAMES}


def _over_all(each: Sequence[Curves]) -> Row:
    each = [one for one in each if one]
    names = (curves.GATE, *NAMES)
    return {
        "baselines": held_against(curves.together(each)),
        "everywhere": {name: curves.best_everywhere(each, name, ORACLE_F1) for name in names},
    }
