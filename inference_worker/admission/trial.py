"""Before a model serves: does it see what it should, the same in every batch, and fast enough?

A declared dynamic batch may be a lie, an engine may mix up the images of a batch or answer with
numbers that are not finite, a converted or quantised model may see something else than it did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inference_worker.admission.frames import synthetic_pictures
from inference_worker.admission.parity import Parity, compare, tolerance_for
from inference_worker.admission.reference import LEAST_SCORE, NO_REFERENCE, Reference
from inference_worker.admission.verdict import NotFit, TooSlow, Verdict
from inference_worker.backends.base import EngineBroken, Image, Outputs
from inference_worker.decoders import decoder_of
from inference_worker.detector import Boxes, Detector
from runtime.errors import FatalError
from schemas.messages import Box
from vision.boxes import Placement, area, clip

Clock = Callable[[], float]  # seconds
Previous = Callable[[], float | None]  # images/s; None: nothing served


def nothing_before() -> None:
    """There is nothing to be compared with."""


# Low enough that a detector sees some boxes in noise, so that there is something to compare.
SCORE_FLOOR = 0.02
# Engines of GPUs add up in another order in another batch size, so that last bits differ. How far
# boxes may move by that: in fractions of the picture and of the score. A wrong picture's boxes, or
# those of an engine that counts in too few bits, are an order of magnitude further off.
_COORDINATES_WITHIN = 0.005
_SCORES_WITHIN = 0.01
# Share of the boxes of a batch that may lie with more than half of them outside the input.
_OUTSIDE = 0.2
# A stall of the machine is no slow model.
_SPEED_TRIALS = 3


@dataclass(frozen=True)
class _Answer:
    """The engine's, for one picture of a batch."""

    outputs: Outputs  # as for a batch of one
    placement: Placement


@dataclass(frozen=True)
class _Alone:
    answer: _Answer
    boxes: Boxes  # from `floor` on
    floor: float


def admit(
    detector: Detector,
    reference: Reference = NO_REFERENCE,
    *,
    previous_images_per_s: Previous = nothing_before,
    now: Clock = time.perf_counter,
) -> Verdict:
    """Run known pictures through every batch size that the detector will be asked for.

    `reference`: known frames and the boxes that are to be seen on them. `previous_images_per_s`:
    of the engine that serves now, on this machine; asked for when all else is done, so that both
    have shared it. Raises NotFit that says which check failed, EngineBroken.
    """
    known = [one.picture for one in reference.pictures]
    most = detector.backend.max_batch
    synthetic = synthetic_pictures(max(2, most + 1 - len(known)))
    pictures = [*synthetic, *known]
    floors = [SCORE_FLOOR] * len(synthetic) + [LEAST_SCORE] * len(known)
    alone = [_alone(detector, *pair) for pair in zip(pictures, floors, strict=True)]
    _check_alive(detector, alone)
    parity = _check_parity(detector, alone[len(synthetic) :], reference)
    repeats_bits, speed = True, 0.0
    for size in range(1, most + 1):
        # The last ones: from size to size each picture gets another neighbour and another place.
        answers, took_s = _infer(detector, pictures[-size:], now)
        speed = max(speed, size / took_s)
        repeats_bits = _compare(detector, alone[-size:], answers) and repeats_bits
    if (previous := previous_images_per_s()) is not None:
        speed = _check_speed(detector, pictures[-most:], previous, speed, now)
    return Verdict(
        tuple(range(1, most + 1)),
        repeats_bits,
        sum(len(one.boxes) for one in alone),
        parity,
        reference.absent,
        speed,
    )


def _infer(
    detector: Detector, pictures: Sequence[Image], now: Clock = time.perf_counter
) -> tuple[list[_Answer], float]:
    """And the seconds that the engine took."""
    prepared = detector.prepare(pictures)
    begins = now()
    try:
        outputs = detector.run(prepared)
        took_s = max(now() - begins, 1e-9)
        _check_within(detector, outputs)
    except EngineBroken:
        raise
    except FatalError as error:
        raise NotFit(detector, f"a batch of {len(pictures)} failed: {error}") from error
    answers = [
        _Answer({name: array[at : at + 1] for name, array in outputs.items()}, placement)
        for at, placement in enumerate(prepared.placements)
    ]
    return answers, took_s


def _alone(detector: Detector, picture: Image, floor: float) -> _Alone:
    (answer,), _ = _infer(detector, [picture])
    return _Alone(answer, _boxes(detector, answer, floor), floor)


def _boxes(detector: Detector, answer: _Answer, floor: float) -> Boxes:
    return detector.boxes_of(answer.outputs, [answer.placement], floor)[0]


def _check_within(detector: Detector, outputs: Outputs) -> None:
    """`Detector` cuts boxes off at the frame's edge, so its own boxes can't tell."""
    decoded = decoder_of(detector.manifest).decode(outputs, detector.score_threshold)
    boxes = np.concatenate([candidates.boxes for candidates in decoded])
    outside = int((area(clip(boxes)) < 0.5 * area(boxes)).sum())
    if outside > max(1, _OUTSIDE * len(boxes)):
        raise NotFit(
            detector, f"{outside} of {len(boxes)} boxes lie outside the picture for the most"
        )


def _check_alive(detector: Detector, alone: Sequence[_Alone]) -> None:
    if all(_same_bits(alone[0].answer, other.answer) for other in alone[1:]):
        raise NotFit(detector, "it gives the same answer whatever the picture")


def _check_parity(
    detector: Detector, alone: Sequence[_Alone], reference: Reference
) -> Parity | None:
    if not reference.pictures:
        return None
    parity = compare(
        [one.boxes for one in alone],
        [one.boxes for one in reference.pictures],
        detector.score_threshold,
        tolerance_for(detector.backend.precision, reference.arithmetic),
    )
    if parity.complaint:
        made = f"{parity.complaint} (made by {reference.made_by})"
        raise NotFit(detector, made, parity)
    return parity


def _check_speed(
    detector: Detector,
    pictures: Sequence[Image],
    previous: float,
    speed: float,
    now: Clock,
) -> float:
    for _ in range(_SPEED_TRIALS):
        if speed >= previous / 2:
            return speed
        _, took_s = _infer(detector, pictures, now)
        speed = max(speed, len(pictures) / took_s)
    if speed >= previous / 2:
        return speed
    raise TooSlow(
        detector,
        f"it does {speed:.1f} images/s, less than half of the {previous:.1f} of what serves now;"
        " a worker that is started with it takes it all the same",
    )


def _compare(detector: Detector, alone: Sequence[_Alone], batched: Sequence[_Answer]) -> bool:
    """Whether bits are the same. Raises NotFit if boxes aren't."""
    repeats = True
    for one, other in zip(alone, batched, strict=True):
        if _same_bits(one.answer, other):  # and so are its boxes: no need to decode them
            continue
        repeats = False
        boxes = _boxes(detector, other, one.floor)
        if not (agree(one.boxes, boxes, one.floor) and agree(boxes, one.boxes, one.floor)):
            raise NotFit(
                detector, f"in a batch of {len(batched)} a picture gets other boxes than alone"
            )
    return repeats


def agree(boxes: Boxes, others: Boxes, floor: float = SCORE_FLOOR) -> bool:
    """Whether each of the boxes is among the others, but for those that the `floor` may hide."""
    return boxes == others or all(
        box.score < floor + _SCORES_WITHIN or any(_close(box, other) for other in others)
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
