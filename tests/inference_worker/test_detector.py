"""Images in, boxes out."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from inference_worker.detector import Detector
from inference_worker.manifest import Nms
from runtime.errors import FatalError
from schemas.messages import Box
from vision.boxes import stretched

# Marked by eye on the pictures: a point on the body of each person, in pixels of 768 x 576.
PEOPLE_OF_FRAME_50 = [(388, 220), (440, 218), (522, 262), (567, 262), (694, 312)]
PEOPLE_OF_FRAME_750 = [
    (193, 250),
    (256, 258),
    (385, 228),
    (412, 255),
    (521, 215),
    (655, 267),
    (673, 147),
]

Outputs = dict[str, np.ndarray]


def heads(*seen: tuple[int, int, float]) -> Outputs:
    """Raw heads of the small detector that see (anchor, class, logit) and nothing else."""
    scores = np.full((1, 14, 3), -10, dtype=np.float32)
    for anchor, index, logit in seen:
        scores[0, anchor, index] = logit
    return {"boxes": np.zeros((1, 14, 4), dtype=np.float32), "scores": scores}


def boxes_of(detector: Detector, outputs: Outputs, floor: float = 0.5) -> tuple[Box, ...]:
    return detector.boxes_of(outputs, [stretched(16, 16)], floor)[0]


@pytest.mark.parametrize(("number", "people"), [(1, PEOPLE_OF_FRAME_50), (15, PEOPLE_OF_FRAME_750)])
def test_people_that_are_plainly_there_are_found(
    real_detector: Detector, campus: list[np.ndarray], number: int, people: list[tuple[int, int]]
):
    (boxes,) = real_detector.detect([campus[number]])
    found = [box for box in boxes if box.label == "person"]
    assert len(found) == len(people)
    for x, y in people:
        around = [b for b in found if b.x1 < x / 768 < b.x2 and b.y1 < y / 576 < b.y2]
        assert around, (x, y)
        assert all(box.y2 - box.y1 < 0.25 for box in around)


def test_a_frame_has_the_same_boxes_alone_and_among_others(
    real_detector: Detector, campus: list[np.ndarray]
):
    together = real_detector.detect(campus[:11])  # a batch of 8 and one of 3
    assert together == [real_detector.detect([picture])[0] for picture in campus[:11]]
    assert sum(map(len, together)) > 30


def test_black_white_and_odd_pictures_show_nothing(real_detector: Detector):
    pictures = [np.full((64, 64, 3), value, dtype=np.uint8) for value in (0, 255)]
    odd = [np.zeros((1, 1, 3), np.uint8), np.zeros((1, 5000, 3), np.uint8)]
    assert real_detector.detect(pictures + odd) == [(), (), (), ()]


def test_no_images_give_no_boxes(small_detector: Callable[..., Detector]):
    assert small_detector().detect([]) == []


def test_boxes_are_clipped_rounded_and_in_fractions_of_the_frame(small_detector):
    # Anchor 12 is the one of the second layer: centre .5, scale .6; 0: centre .25, scale .2.
    outputs = heads((12, 1, 2.0), (0, 2, 1.0))
    outputs["boxes"][0, 12] = [0, 10, 0, 0]  # moved right by its width: 0.8 .. 1.4
    assert boxes_of(small_detector(), outputs) == (
        Box(label="person", score=0.8808, x1=0.8, y1=0.2, x2=1.0, y2=0.8),
        Box(label="car", score=0.7311, x1=0.15, y1=0.15, x2=0.35, y2=0.35),
    )


def test_a_box_outside_of_the_frame_is_none(small_detector):
    outputs = heads((12, 1, 2.0))
    outputs["boxes"][0, 12] = [0, 30, 0, 0]
    assert boxes_of(small_detector(), outputs) == ()


def test_equal_scores_are_in_the_order_of_label_and_place(small_detector):
    found = boxes_of(small_detector(), heads((9, 1, 1.0), (0, 1, 1.0), (3, 2, 1.0), (6, 2, 1.5)))
    assert [(box.label, box.x1) for box in found] == [
        ("car", 0.15),
        ("car", 0.65),
        ("person", 0.15),
        ("person", 0.65),
    ]


def test_of_two_boxes_on_one_object_the_better_stays(small_detector):
    # The square anchor of the second cell, moved onto that of the first.
    outputs = heads((0, 1, 1.0), (3, 1, 2.0))
    outputs["boxes"][0, 3] = [0, -25, 0, 0]  # from .75 to .25 across
    assert [box.score for box in boxes_of(small_detector(), outputs)] == [0.8808]
    outputs["scores"][0, 3] = [-10, -10, 2.0]  # another class: both stay
    assert [box.label for box in boxes_of(small_detector(), outputs)] == ["car", "person"]


def test_the_best_boxes_stay_when_there_are_too_many(small_detector):
    detector = small_detector()
    few = msgspec.structs.replace(detector.manifest, nms=Nms(iou_threshold=0.5, max_boxes=2))
    found = boxes_of(Detector(few, detector.backend), heads((0, 1, 1.0), (3, 1, 3.0), (6, 1, 2.0)))
    assert [box.score for box in found] == [0.9526, 0.8808]


def test_the_threshold_can_be_set(small_detector):
    detector = small_detector()
    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    strict = Detector(detector.manifest, detector.backend, score_threshold=0.999)
    assert len(detector.detect([picture])[0]) > len(strict.detect([picture])[0])


def test_numbers_that_are_not_finite_are_fatal_and_no_empty_frame(small_detector):
    detector = small_detector("not-a-number")
    with pytest.raises(FatalError, match="not finite in its output 'scores'"):
        detector.detect([np.full((20, 20, 3), 99, dtype=np.uint8)])


def test_an_input_that_the_model_does_not_have_is_fatal(small_detector):
    detector = small_detector()
    other = msgspec.structs.replace(
        detector.manifest, input=msgspec.structs.replace(detector.manifest.input, name="pixels")
    )
    with pytest.raises(FatalError, match="names the input 'pixels', the model has: images"):
        Detector(other, detector.backend)
