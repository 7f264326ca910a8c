"""Geometry of boxes, against values worked by hand and a plain greedy loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vision.boxes import area, clip, iou, letterboxed, nms, stretched

# A coarse grid, so that equal boxes, shared edges and boxes without area are common.
_GRID = st.integers(0, 8).map(lambda value: value / 8)


def box_lists(size: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, (size, 4), elements=_GRID).map(
        lambda raw: np.concatenate(
            [np.minimum(raw[:, :2], raw[:, 2:]), np.maximum(raw[:, :2], raw[:, 2:])], axis=1
        )
    )


def iou_by_hand(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def greedy(boxes: np.ndarray, scores: np.ndarray, groups: np.ndarray, limit: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(
            groups[other] != groups[index] or iou_by_hand(boxes[other], boxes[index]) <= limit
            for other in kept
        ):
            kept.append(index)
    return kept


def test_iou_of_a_quarter_overlap_is_a_seventh():
    a = np.array([[0.0, 0.0, 2.0, 2.0]])
    b = np.array([[1.0, 1.0, 3.0, 3.0], [0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 4.0, 2.0]])
    assert iou(a, b) == pytest.approx(np.array([[1 / 7, 1.0, 0.0]]))


def test_boxes_without_area_overlap_nothing_and_give_no_warning():
    points = np.array([[1.0, 1.0, 1.0, 1.0], [3.0, 3.0, 2.0, 2.0]])
    assert iou(points, points).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert area(points).tolist() == [0.0, 0.0]


def test_a_box_stays_when_its_suppressor_is_itself_suppressed():
    # 0 suppresses 1; 1 would suppress 2, but 1 is gone.
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], dtype=float)
    scores = np.array([0.9, 0.8, 0.7])
    one_group = np.zeros(3, dtype=int)
    assert nms(boxes, scores, one_group, 0.4).tolist() == [0, 2]


def test_boxes_of_different_classes_do_not_suppress_each_other():
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], dtype=float)
    assert nms(boxes, np.array([0.5, 0.9]), np.array([0, 1]), 0.1).tolist() == [1, 0]


def test_no_boxes_give_no_boxes():
    assert nms(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=int), 0.5).tolist() == []


@given(data=st.data(), size=st.integers(0, 24), limit=st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]))
def test_nms_is_the_greedy_loop(data: st.DataObject, size: int, limit: float):
    boxes = data.draw(box_lists(size))
    scores = data.draw(arrays(np.float64, size, elements=_GRID))
    groups = data.draw(arrays(np.int64, size, elements=st.integers(0, 2)))
    assert nms(boxes, scores, groups, limit).tolist() == greedy(boxes, scores, groups, limit)


def test_clipping_brings_coordinates_into_the_frame():
    assert clip(np.array([[-0.1, 0.2, 1.5, 1.0]])).tolist() == [[0.0, 0.2, 1.0, 1.0]]


def test_a_wide_frame_is_letterboxed_in_the_middle():
    placement = letterboxed(1920, 1080, 416, 416, "centre")
    assert (placement.left, placement.top) == (0, 91)
    assert (placement.width, placement.height) == (416, 234)
    whole = np.array([[0.0, 91 / 416, 1.0, 325 / 416]])
    assert placement.to_frame(whole) == pytest.approx(np.array([[0.0, 0.0, 1.0, 1.0]]))


def test_a_tall_frame_is_letterboxed_at_the_top_left():
    placement = letterboxed(300, 600, 416, 416, "top-left")
    assert (placement.left, placement.top, placement.width, placement.height) == (0, 0, 208, 416)
    middle = np.array([[0.125, 0.25, 0.375, 0.75]])
    assert placement.to_frame(middle) == pytest.approx(np.array([[0.25, 0.25, 0.75, 0.75]]))


def test_a_stretched_frame_keeps_its_fractions():
    boxes = np.array([[0.1, 0.2, 0.3, 0.4]], dtype=np.float32)
    assert stretched(300, 300).to_frame(boxes) == pytest.approx(boxes)
    assert stretched(300, 300).to_frame(boxes).dtype == np.float32


@pytest.mark.parametrize(("anchor", "height"), [("top-left", 277), ("centre", 278)])
def test_part_of_a_pixel_is_cut_off_at_the_top_left_and_rounded_in_the_centre(anchor, height):
    # 427 * 416 / 640 = 277.55: as YOLOX's ValTransform and as YOLOv5's letterbox make it.
    placement = letterboxed(640, 427, 416, 416, anchor)
    assert (placement.width, placement.height) == (416, height)


@pytest.mark.parametrize("width", range(300, 700, 7))
def test_a_side_that_fits_is_whole(width):
    assert letterboxed(width, 100, 416, 416, "top-left").width == 416


@given(
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    side=st.integers(1, 1280),
    anchor=st.sampled_from(["centre", "top-left"]),
)
def test_a_letterboxed_frame_of_any_shape_lies_within_its_input(width, height, side, anchor):
    placement = letterboxed(width, height, side, side, anchor)
    assert 0 <= placement.left <= placement.left + placement.width <= side
    assert 0 <= placement.top <= placement.top + placement.height <= side
    assert side in (placement.width, placement.height)
    content = np.array(
        [
            [
                placement.left / side,
                placement.top / side,
                (placement.left + placement.width) / side,
                (placement.top + placement.height) / side,
            ]
        ]
    )
    assert placement.to_frame(content) == pytest.approx(np.array([[0, 0, 1, 1]]), abs=1e-6)
