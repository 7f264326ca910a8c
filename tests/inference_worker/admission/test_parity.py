"""Boxes against boxes: what counts, and what is in doubt."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.admission.parity import TOLERANCES, compare, tolerance_for
from schemas.messages import Box

THRESHOLD = 0.5
FLOAT = TOLERANCES["float32"]
INT8 = TOLERANCES["int8"]


def box(score: float = 0.9, left: float = 0.0, *, label: str = "person", top: float = 0.0) -> Box:
    """A square of a fifth of the picture."""
    return Box(label=label, score=score, x1=left, y1=top, x2=left + 0.2, y2=top + 0.2)


ROW = [box(left=0.25 * place) for place in range(3)]


def test_the_same_boxes_agree():
    parity = compare([ROW, []], [ROW, []], THRESHOLD, FLOAT)
    assert (parity.frames, parity.expected, parity.matched) == (2, 3, 3)
    assert (parity.lost, parity.extra, parity.moved) == (0, 0, 0)
    assert (parity.worst_iou, parity.worst_score_difference) == (1.0, 0.0)
    assert parity.apart == (0.0, 0.0)
    assert not parity.complaint


def test_a_model_that_sees_nothing_is_told_apart_from_one_that_misses_some():
    assert "sees nothing" in compare([[], []], [ROW, []], THRESHOLD, INT8).complaint
    assert "misses 2 of 3 boxes" in compare([ROW[:1]], [ROW], THRESHOLD, INT8).complaint


def test_a_box_that_the_reference_has_not_is_extra():
    parity = compare([ROW], [ROW[:2]], THRESHOLD, FLOAT)
    assert (parity.lost, parity.extra) == (0, 1)
    assert "sees 1 boxes on known frames beside the reference's 2" in parity.complaint


def test_where_the_reference_sees_nothing_a_quantised_graph_may_see_one_box():
    assert not compare([ROW[:1]], [[]], THRESHOLD, INT8).complaint
    assert "sees 2 boxes" in compare([ROW[:2]], [[]], THRESHOLD, INT8).complaint
    assert "sees 1 boxes" in compare([ROW[:1]], [[]], THRESHOLD, FLOAT).complaint


def test_another_label_is_another_object():
    parity = compare([[box(label="dog")]], [[box()]], THRESHOLD, FLOAT)
    assert (parity.lost, parity.extra) == (1, 1)


def test_a_box_near_the_threshold_counts_on_neither_side():
    doubtful = [box(THRESHOLD + 0.01), box(THRESHOLD - 0.01, 0.5)]
    for ours, theirs in (([], doubtful), (doubtful, [])):
        parity = compare([[*ours, *ROW[1:2]]], [[*theirs, *ROW[1:2]]], THRESHOLD, FLOAT)
        assert (parity.expected, parity.lost, parity.extra) == (1, 0, 0)
        assert not parity.complaint


def test_a_sure_box_may_have_its_partner_just_below_the_threshold():
    parity = compare([[box(0.53)], ROW], [[box(0.49)], ROW], THRESHOLD, FLOAT)
    assert (parity.lost, parity.extra) == (0, 0)
    parity = compare([[box(0.49)], ROW], [[box(0.53)], ROW], THRESHOLD, FLOAT)
    assert (parity.lost, parity.extra) == (0, 0)
    assert parity.worst_score_difference == pytest.approx(0.04)
    assert parity.moved == 1  # another score, though the same object


def test_a_box_that_has_moved_is_the_same_object_and_not_the_same_box():
    # Shifted by a twentieth of its side: IoU = .95 / 1.05.
    parity = compare([[box(left=0.01)]], [[box()]], THRESHOLD, FLOAT)
    assert parity.worst_iou == pytest.approx(0.95 / 1.05)
    assert parity.moved == 0
    # By an eighth: .875 / 1.125.
    parity = compare([[box(left=0.025)]], [[box()]], THRESHOLD, FLOAT)
    assert parity.worst_iou == pytest.approx(0.875 / 1.125)
    assert (parity.matched, parity.moved) == (1, 1)
    assert "1 of 1 boxes on known frames are off" in parity.complaint


def test_the_frame_that_is_furthest_apart_stands_out():
    parity = compare([ROW, ROW[:1], []], [ROW, ROW, []], THRESHOLD, FLOAT)
    assert parity.apart == (0.0, 2.0, 0.0)


def test_the_wider_tolerance_holds_where_a_quantised_graph_runs_at_float32():
    assert tolerance_for("float32", "int8") == INT8
    assert tolerance_for("bfloat16", "float32") == TOLERANCES["bfloat16"]
    assert tolerance_for("float32", "float32") == FLOAT


def test_lower_precisions_are_allowed_no_less():
    wider = [TOLERANCES[name] for name in ("float32", "float16", "bfloat16", "int8")]
    for one, other in itertools.pairwise(wider):
        assert one.score < other.score
        assert one.gone < other.gone
        assert one.moved < other.moved


boxes = st.lists(
    st.builds(
        box,
        st.floats(0.0, 1.0),
        st.floats(0.0, 0.8),
        top=st.floats(0.0, 0.8),
        label=st.sampled_from(["person", "car"]),
    ),
    max_size=6,
)


@given(st.lists(st.tuples(boxes, boxes), max_size=4))
def test_what_one_side_has_too_many_the_other_misses(frames: list[tuple[list[Box], list[Box]]]):
    ours, theirs = [one for one, _ in frames], [other for _, other in frames]
    there = compare(ours, theirs, THRESHOLD, INT8)
    back = compare(theirs, ours, THRESHOLD, INT8)
    assert there.matched + there.lost == there.expected
    assert 0 <= there.moved <= there.matched
    if not any(box.score < THRESHOLD + INT8.score for side in (*ours, *theirs) for box in side):
        assert (there.lost, there.extra) == (back.extra, back.lost)
    assert not compare(ours, ours, THRESHOLD, INT8).complaint
