"""How well boxes agree, against values worked by hand and a brute force over all pairings."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.messages import Box
from vision.boxes import iou
from vision.scores import IOU, f1, matches


def box(x1: float, width: float = 0.2, *, label: str = "person", score: float = 0.9) -> Box:
    return Box(label=label, score=score, x1=x1, y1=0.1, x2=min(1.0, x1 + width), y2=0.5)


BOXES = st.lists(
    st.builds(
        lambda place, label, score: box(place / 16, label=label, score=score),
        st.integers(0, 12),
        st.sampled_from(["person", "car"]),
        st.sampled_from([0.4, 0.9]),
    ),
    max_size=4,
)


def overlap(one: Box, other: Box) -> float:
    corners = [np.array([[b.x1, b.y1, b.x2, b.y2]]) for b in (one, other)]
    return float(iou(*corners)[0, 0])


def test_what_agrees_scores_one_and_nothing_agrees_with_nothing() -> None:
    assert f1([], []) == 1.0
    assert f1([box(0.1), box(0.6)], [box(0.6), box(0.1)]) == 1.0


@pytest.mark.parametrize(
    ("reported", "expected", "score"),
    [
        ([], [box(0.1)], 0.0),
        ([box(0.1)], [], 0.0),
        ([box(0.1)], [box(0.1), box(0.6)], 2 / 3),
        ([box(0.1), box(0.1)], [box(0.1)], 2 / 3),  # one object is found once
        ([box(0.1, label="car")], [box(0.1)], 0.0),
        ([box(0.1)], [box(0.16)], 1.0),  # IoU .54
        ([box(0.1)], [box(0.18)], 0.0),  # IoU .43
    ],
)
def test_scores_are_those_worked_by_hand(
    reported: list[Box], expected: list[Box], score: float
) -> None:
    assert f1(reported, expected) == pytest.approx(score)


def test_a_doubtful_box_without_partner_counts_on_neither_side() -> None:
    sure, doubtful = box(0.1), box(0.6, score=0.5)
    assert f1([sure, doubtful], [sure]) == pytest.approx(2 / 3)
    assert f1([sure, doubtful], [sure], doubtful=0.6) == 1.0
    assert f1([sure], [sure, doubtful], doubtful=0.6) == 1.0
    assert f1([sure, doubtful], [sure, doubtful], doubtful=0.6) == 1.0
    assert f1([], [sure], doubtful=0.6) == 0.0


@given(BOXES, BOXES)
def test_pairs_are_of_one_label_overlap_and_use_each_box_once(
    ours: list[Box], theirs: list[Box]
) -> None:
    pairs = matches(ours, theirs)
    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)
    for one, other in pairs:
        assert ours[one].label == theirs[other].label
        assert overlap(ours[one], theirs[other]) >= IOU


@given(BOXES, BOXES)
def test_at_least_half_of_the_pairs_that_could_be_are_found(
    ours: list[Box], theirs: list[Box]
) -> None:
    """The best pair first is not always the most pairs; each pair stands in the way of two."""

    def fits(pair: tuple[int, int]) -> bool:
        one, other = ours[pair[0]], theirs[pair[1]]
        return one.label == other.label and overlap(one, other) >= IOU

    few, many = sorted([range(len(ours)), range(len(theirs))], key=len)
    swap = len(ours) > len(theirs)
    best = max(
        sum(fits((b, a) if swap else (a, b)) for a, b in zip(few, order, strict=True))
        for order in permutations(many, len(few))
    )
    assert best / 2 <= len(matches(ours, theirs)) <= best


@given(BOXES, BOXES, st.sampled_from([0.0, 0.5]))
def test_a_score_is_the_same_from_both_sides(
    ours: list[Box], theirs: list[Box], doubtful: float
) -> None:
    score = f1(ours, theirs, doubtful=doubtful)
    assert 0 <= score <= 1
    assert f1(theirs, ours, doubtful=doubtful) == pytest.approx(score)
    assert f1(ours, ours) == 1.0
