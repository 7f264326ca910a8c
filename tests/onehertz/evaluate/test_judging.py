"""What the gate drops, judged."""

from __future__ import annotations

import numpy as np
import pytest

from onehertz.evaluate.judging import Tick, judge, oracle_dropped
from onehertz.evaluate.report import Figures, total
from schemas.messages import Box
from vision.gate import GateRule
from vision.jpeg import Luma

RULE = GateRule(audit_rate=0.0, refresh_us=3_600_000_000)
PERSON = Box(label="person", score=0.9, x1=0.1, y1=0.1, x2=0.3, y2=0.6)
ELSEWHERE = Box(label="person", score=0.9, x1=0.6, y1=0.1, x2=0.8, y2=0.6)
FAINT = Box(label="person", score=0.55, x1=0.6, y1=0.1, x2=0.8, y2=0.6)


def luma(scene: int) -> Luma:
    """Of a scene with structure; equal scenes are equal."""
    return np.random.default_rng(scene).integers(60, 190, (120, 160), dtype=np.uint8)


def ticks(*seen: tuple[int, list[Box]]) -> list[Tick]:
    """Scene and boxes of each."""
    return [Tick(float(at), at * 25, luma(scene), boxes) for at, (scene, boxes) in enumerate(seen)]


def judged(*seen: tuple[int, list[Box]]) -> Figures:
    figures = Figures()
    passed = ticks(*seen)
    figures.add(judge(passed, RULE, "clip", 0.6), oracle_dropped(passed, 60))
    return figures


def test_a_dropped_tick_has_the_boxes_of_the_last_kept_one() -> None:
    passed = ticks((1, [PERSON]), (1, [PERSON]), (2, []), (2, []))
    found = judge(passed, RULE, "clip", 0.6)
    assert [one.kept for one in found] == [True, False, True, False]
    assert [one.same_as for one in found] == [0, 0, 2, 2]
    assert [one.f1 for one in found] == [1.0] * 4


def test_what_is_missed_shows_in_every_figure() -> None:
    row = judged((1, []), (1, [PERSON]), (1, []), (1, [])).row("clip", "model")
    assert row["frames"] == 4
    assert row["dropped"] == 0.75
    assert row["inferences_saved"] == 3
    assert row["f1"] == 0.75
    assert row["f1_nonempty"] == 0.0
    assert row["presence_recall"] == 0.0
    assert row["presence_missed"] == 1
    assert row["oracle_dropped"] == 0.25  # it keeps the person, and that he is gone


def test_a_box_at_the_threshold_counts_on_neither_side_of_the_tolerant_figure() -> None:
    row = judged((1, [PERSON]), (1, [PERSON, FAINT]), (1, [PERSON])).row("clip", "model")
    assert row["f1"] == pytest.approx((1 + 2 / 3 + 1) / 3, abs=1e-4)
    assert row["f1_tolerant"] == 1.0


def test_the_oracle_drops_what_inherits_well_and_keeps_as_often_as_it_has_to() -> None:
    still = ticks(*[(1, [PERSON])] * 10)
    assert oracle_dropped(still, 60) == 9
    assert oracle_dropped(still, 3) == 6  # every third is refreshed
    moving = ticks(*[(1, [PERSON if n % 2 else ELSEWHERE]) for n in range(10)])
    assert oracle_dropped(moving, 60) == 0
    assert oracle_dropped([], 60) == 0


def test_a_total_is_over_all_ticks_and_of_no_ticks_nothing_is_told() -> None:
    one, other = judged((1, []), (1, [PERSON])), judged((1, []), (1, []), (1, []), (1, []))
    row = total([one, other]).row("total", "model")
    assert row["frames"] == 6
    assert row["f1"] == pytest.approx(5 / 6, abs=1e-4)
    empty = Figures().row("clip", "model")
    assert empty["f1"] is None
    assert empty["dropped"] is None


def test_the_worst_tick_is_told() -> None:
    row = judged((1, []), (1, []), (1, [PERSON])).row("clip", "model")
    assert (row["f1_worst"], row["worst_at_s"]) == (0.0, 2.0)
