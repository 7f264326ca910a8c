"""Before a model serves: does it run in every batch size, and see the same in each of them?

A declared dynamic batch may be a lie, an engine may mix up the images of a batch or answer with
numbers that are not finite. This first form tries synthetic pictures; that the boxes are *right*
needs reference boxes on known frames and is not tested yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference_worker.backends.base import Outputs
from inference_worker.detector import Boxes, Detector
from inference_worker.preprocess import Image
from runtime.errors import FatalError, UserError
from schemas.messages import Box

# Low enough that a detector sees some boxes in noise, so that there is something to compare.
SCORE_FLOOR = 0.02
_SEED = 1
# Engines of GPUs add up in another order in another batch size, so that last bits differ. How far
# boxes may move by that: in fractions of the picture and of the score. A wrong picture's boxes, or
# those of an engine that counts in too few bits, are an order of magnitude further off.
_COORDINATES_WITHIN = 0.005
_SCORES_WITHIN = 0.01


class NotFit(UserError):
    """The model is not fit to serve; `why` is what failed, alone."""

    def __init__(self, detector: Detector, why: str) -> None:
        backend = detector.backend
        super().__init__(
            f"the model {detector.name} is not fit to serve on {backend.name}"
            f" ({backend.device}, {backend.precision}): {why};"
            " try another `backend` or `precision`, `max_batch: 1`, or another model"
        )
        self.why = why


@dataclass(frozen=True)
class Verdict:
    """What the admission test saw of a model that passed."""

    batch_sizes: tuple[int, ...]
    # Whether every image gave the same bits in all batches; else its boxes were nearly the same.
    repeats_bits: bool
    boxes: int  # that were compared, above a low score


@dataclass(frozen=True)
class _Answer:
    outputs: Outputs  # of one image: without the batch
    boxes: Boxes


def admit(detector: Detector) -> Verdict:
    """Run known pictures through every batch size that the detector will be asked for.

    Raises NotFit that says which check failed.
    """
    pictures = synthetic_pictures(detector.backend.max_batch + 1)
    alone = [_answers(detector, [picture])[0] for picture in pictures]
    _check_alive(detector, alone)
    sizes = tuple(range(1, detector.backend.max_batch + 1))
    repeats_bits = True
    for size in sizes:
        # The last ones: from size to size each picture gets another neighbour and another place.
        same = _compare(detector, alone[-size:], _answers(detector, pictures[-size:]))
        repeats_bits = repeats_bits and same
    return Verdict(sizes, repeats_bits, sum(len(answer.boxes) for answer in alone))


def synthetic_pictures(count: int) -> list[Image]:
    """`count` different pictures, the same in every run: (240, 320, 3) uint8.

    The first is black, the second white, the others are bright rectangles on noise.
    """
    chance = np.random.default_rng(_SEED)
    pictures = [np.full((240, 320, 3), value, dtype=np.uint8) for value in (0, 255)]
    while len(pictures) < count:
        picture = chance.integers(0, 96, (240, 320, 3), dtype=np.uint8)
        for _ in range(4):
            top, left = chance.integers(0, 160), chance.integers(0, 240)
            height, width = chance.integers(20, 80), chance.integers(10, 80)
            colour = chance.integers(96, 256, 3, dtype=np.uint8)
            picture[top : top + height, left : left + width] = colour
        pictures.append(picture)
    return pictures[:count]


def _answers(detector: Detector, pictures: Sequence[Image]) -> list[_Answer]:
    try:
        outputs, placements = detector.infer(pictures)
        boxes = detector.boxes_of(outputs, placements, SCORE_FLOOR)
    except FatalError as error:
        raise NotFit(detector, f"a batch of {len(pictures)} failed: {error}") from error
    return [
        _Answer({name: array[index] for name, array in outputs.items()}, found)
        for index, found in enumerate(boxes)
    ]


def _check_alive(detector: Detector, answers: Sequence[_Answer]) -> None:
    if all(_same_bits(answers[0], other) for other in answers[1:]):
        raise NotFit(detector, "it gives the same answer whatever the picture")


def _compare(detector: Detector, alone: Sequence[_Answer], batched: Sequence[_Answer]) -> bool:
    """Whether bits are the same. Raises NotFit if boxes aren't."""
    pairs = list(zip(alone, batched, strict=True))
    for one, other in pairs:
        if not (agree(one.boxes, other.boxes) and agree(other.boxes, one.boxes)):
            raise NotFit(
                detector, f"in a batch of {len(batched)} a picture gets other boxes than alone"
            )
    return all(_same_bits(one, other) for one, other in pairs)


def agree(boxes: Boxes, others: Boxes) -> bool:
    """Whether each of the boxes is among the others, but for those that `SCORE_FLOOR` may hide."""
    return boxes == others or all(
        box.score < SCORE_FLOOR + _SCORES_WITHIN or any(_close(box, other) for other in others)
        for box in boxes
    )


def _close(one: Box, other: Box) -> bool:
    corners = zip(_corners(one), _corners(other), strict=True)
    return (
        one.label == other.label
        and abs(one.score - other.score) <= _SCORES_WITHIN
        and all(abs(a - b) <= _COORDINATES_WITHIN for a, b in corners)
    )


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.x1, box.y1, box.x2, box.y2


def _same_bits(one: _Answer, other: _Answer) -> bool:
    return all(np.array_equal(array, other.outputs[name]) for name, array in one.outputs.items())
