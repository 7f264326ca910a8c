"""Whether a graph's answer to a picture can be what a format says: the values, not the shapes.

Two formats may have the same shapes. What tells them apart is what numbers mean: centres that are
on the grid rise from cell to cell, scores after the sigmoid lie between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference_worker.adding.recognise import Candidate
from inference_worker.decoders.grid import make_grid
from inference_worker.formats import Detr, Nanodet, NanodetPlus, Ssd, YoloV5, YoloV8, YoloV10, Yolox

Floats = NDArray[np.floating]
Answer = Mapping[str, NDArray[np.generic]]  # outputs for one picture, without the batch

# Correlation of centres with the cells that they should lie on. Seen on YOLOX-nano, a person
# detector of the same head and NanoDet, on seven pictures each: .97 and more on the grid, .13 and
# less before they are put on it.
_ON_GRID, _OFF_GRID = 0.9, 0.5
_TOLERANCE = 1e-3  # of scores, for float16


@dataclass(frozen=True)
class Findings:
    """What speaks for a format, and what against it."""

    evidence: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()


def probe(candidate: Candidate, answer: Answer, size: tuple[int, int], labels: int) -> Findings:
    """Hold an answer against a format. `size`: width and height of the input in pixels."""
    spec = candidate.spec
    found: list[Findings] = [_finite(answer)]
    match spec:
        case Detr():
            found.append(_scores(answer[spec.scores]))
            found.append(_corner_boxes(answer[spec.boxes], size))
            found.append(_class_numbers(answer[spec.labels], labels))
        case YoloV10():
            rows = _floats(answer[spec.output])
            found.append(_scores(rows[:, 4]))
            found.append(_corner_boxes(rows[:, :4], size))
            found.append(_class_numbers(rows[:, 5], labels))
        case Yolox() | YoloV5():
            rows = _floats(answer[spec.output])
            found.append(_scores(rows[:, 4:]))
            found.append(_centred_boxes(rows[:, :4], candidate, size))
        case YoloV8():
            rows = _floats(answer[spec.output])
            rows = rows.T if spec.layout == "values-first" else rows
            found.append(_scores(rows[:, 4:]))
            found.append(_centred_boxes(rows[:, :4], candidate, size))
        case Nanodet():
            found += [_scores(answer[name]) for name in spec.scores]
        case NanodetPlus():
            found.append(_scores(answer[spec.output][:, :labels]))
        case Ssd():
            pass  # its scores are before the sigmoid, its boxes against anchors: any number will do
    return Findings(
        tuple(dict.fromkeys(text for one in found for text in one.evidence)),
        tuple(dict.fromkeys(text for one in found for text in one.objections)),
    )


def _floats(array: NDArray[np.generic]) -> Floats:
    return array.astype(np.float64)


def _finite(answer: Answer) -> Findings:
    bad = [name for name, array in answer.items() if not np.isfinite(_floats(array)).all()]
    return Findings(objections=tuple(f"{name!r} has numbers that are not finite" for name in bad))


def _scores(array: NDArray[np.generic]) -> Findings:
    scores = _floats(array)
    low, high = scores.min(initial=0.0), scores.max(initial=0.0)
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        text = f"what should be scores lies between {low:.3g} and {high:.3g}, not within 0 and 1"
        return Findings(objections=(text,))
    return Findings(evidence=("scores lie within 0 and 1",))


def _class_numbers(array: NDArray[np.generic], labels: int) -> Findings:
    classes = _floats(array)
    if not np.array_equal(classes, np.rint(classes)):
        return Findings(objections=("what should be class numbers are no whole numbers",))
    low, high = classes.min(initial=0.0), classes.max(initial=0.0)
    if low < 0 or high >= labels:
        text = f"class numbers from {low:.0f} to {high:.0f} do not fit {labels} labels"
        return Findings(objections=(text,))
    return Findings(evidence=(f"class numbers are whole, {high:.0f} at most",))


def _corner_boxes(array: NDArray[np.generic], size: tuple[int, int]) -> Findings:
    boxes = _floats(array)
    ordered = ((boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1])).mean()
    if ordered < 0.99:
        text = f"only {ordered:.0%} of the boxes have their second corner right of and below"
        return Findings(objections=(f"{text} the first",))
    return _in_pixels(boxes, size, "boxes have two corners")


def _centred_boxes(boxes: Floats, candidate: Candidate, size: tuple[int, int]) -> Findings:
    follows = _follows_grid(boxes[:, :2], candidate, size)
    seen = f"centres follow the grid with a correlation of {follows:.2f}"
    if isinstance(candidate.spec, Yolox) and not candidate.spec.decoded:
        if follows > _OFF_GRID:
            return Findings(objections=(f"{seen}: they are put on it already",))
        return Findings(evidence=(f"{seen}: they are still to be put on it",))
    if follows < _ON_GRID:
        return Findings(objections=(f"{seen}: they are not on it",))
    corners = ((boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1])).mean()
    if corners > 0.9:  # of boxes with a size, .03 to .19 on the same models
        return Findings(objections=("boxes look like two corners, not like centre and size",))
    return _in_pixels(boxes, size, seen)


def _in_pixels(boxes: Floats, size: tuple[int, int], seen: str) -> Findings:
    largest = boxes[:, :2].max(initial=0.0)
    if largest <= 2.0:
        text = f"boxes are in fractions of the picture ({largest:.2f} at most), not in pixels"
        return Findings(objections=(text,))
    if largest > 2 * max(size):
        return Findings(objections=(f"boxes reach to {largest:.0f}, far beyond the input",))
    return Findings(evidence=(f"{seen}, in pixels",))


def _follows_grid(centres: Floats, candidate: Candidate, size: tuple[int, int]) -> float:
    """The lower one of the correlations of x and of y with the cells' places."""
    parts = []
    for stride in candidate.strides:
        points, strides = make_grid([stride], *size)
        parts.append(np.tile(points * strides, (candidate.per_cell, 1)))
    places = np.concatenate(parts)
    if (centres.std(axis=0) == 0).any():
        return 0.0
    return float(min(np.corrcoef(places[:, axis], centres[:, axis])[0, 1] for axis in (0, 1)))
