"""What numbers must be like to be scores, classes or boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference_worker.adding.answer import Answer, Floats, floats
from inference_worker.adding.candidate import Candidate
from inference_worker.decoders.grid import make_grid
from inference_worker.formats import Yolox

# Correlation of centres with the cells that they should lie on. Seen on YOLOX-nano, a person
# detector of the same head and NanoDet, on seven pictures each: .97 and more on the grid, .13 and
# less before they are put on it.
_ON_GRID, _OFF_GRID = 0.9, 0.5
_TOLERANCE = 1e-3  # of scores, for float16
_SURE, _MOST = 0.5, 0.9
# By how much less of the boxes' sizes must lie beyond the picture when they are read as corner and
# size, to be none with a centre. Seen on eight pictures each of DEIMv2-atto and YOLOv8n: as what
# they are .00 to .01 of it, read in the other way .01 to .28, and 14 times as much or more.
_SPILLS = 3.0


@dataclass(frozen=True)
class Findings:
    """What speaks for a format, and what against it."""

    evidence: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()


def against(text: str) -> Findings:
    """One objection."""
    return Findings(objections=(text,))


def finite(answer: Answer) -> Findings:
    """No number of an answer may be infinite or none."""
    bad = [name for name, array in answer.items() if not np.isfinite(floats(array)).all()]
    return Findings(objections=tuple(f"{name!r} has numbers that are not finite" for name in bad))


def scores(array: NDArray[np.generic]) -> Findings:
    """Of an array that should be scores after the sigmoid."""
    found = floats(array)
    low, high = found.min(initial=0.0), found.max(initial=0.0)
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        text = f"what should be scores lies between {low:.3g} and {high:.3g}, not within 0 and 1"
        return against(text)
    return Findings(evidence=("scores lie within 0 and 1",))


def few_objects(scores: Floats) -> Findings:
    """(places, classes): of so many places only a few can have something."""
    share = float((scores.max(axis=1, initial=0.0) > _SURE).mean()) if len(scores) else 0.0
    if share > _MOST:
        text = f"{share:.0%} of the places would have something, with a score above {_SURE}"
        return against(f"{text}: one of the classes looks like the background")
    return Findings()


def background(scores: Floats) -> Findings:
    """(places,): what should be the background's, of which most places have much."""
    middle = float(np.median(scores)) if len(scores) else 1.0
    if middle < _SURE:
        return against(
            f"the first class should be the background, and most have {middle:.2f} of it"
        )
    return Findings(evidence=(f"the first class is the background: most have {middle:.2f} of it",))


def class_numbers(array: NDArray[np.generic], labels: int, first: int = 0) -> Findings:
    """Of an array that should be the numbers of classes."""
    classes = floats(array)
    if not np.array_equal(classes, np.rint(classes)):
        return against("what should be class numbers are no whole numbers")
    low, high = classes.min(initial=first), classes.max(initial=first)
    if low < first or high >= first + labels:
        text = f"class numbers from {low:.0f} to {high:.0f} do not fit {labels} labels"
        return against(f"{text} from {first} on" if first else text)
    return Findings(evidence=(f"class numbers are whole, {high:.0f} at most",))


def corner_boxes(boxes: Floats, size: tuple[int, int], units: str) -> Findings:
    """Of boxes that should be two corners each."""
    if len(boxes) and _ordered(boxes) < 0.99:
        text = (
            f"only {_ordered(boxes):.0%} of the boxes have their second corner right of and below"
        )
        return against(f"{text} the first")
    return within(boxes, size, units, "boxes have two corners")


def sized_boxes(boxes: Floats, size: tuple[int, int], units: str) -> Findings:
    """Of boxes that should be a centre and a size each."""
    if len(boxes) and (boxes[:, 2:] < 0).any(axis=1).mean() > 0.01:
        return against("boxes have sizes below 0")
    return _centre_and_size(boxes, size, units, "boxes have a centre and a size")


def centred_boxes(
    boxes: Floats, candidate: Candidate, size: tuple[int, int], units: str
) -> Findings:
    """Of boxes that should be centres on a grid, and sizes."""
    in_pixels = boxes * np.tile(size, 2) if units == "fractions" else boxes
    follows = _follows_grid(in_pixels[:, :2], candidate, size)
    seen = f"centres follow the grid with a correlation of {follows:.2f}"
    if isinstance(candidate.spec, Yolox) and not candidate.spec.decoded:
        if follows > _OFF_GRID:
            return against(f"{seen}: they are put on it already")
        return Findings(evidence=(f"{seen}: they are still to be put on it",))
    if follows < _ON_GRID:
        return against(f"{seen}: they are not on it")
    return _centre_and_size(boxes, size, units, seen)


def _centre_and_size(boxes: Floats, size: tuple[int, int], units: str, seen: str) -> Findings:
    if _ordered(boxes) > 0.9:  # of boxes with a size, .03 to .19 on the same models
        return against("boxes look like two corners, not like centre and size")
    frame = np.array(size if units == "pixels" else (1, 1))
    first, sides = boxes[:, :2], boxes[:, 2:]
    centred = _beyond(first - sides / 2, first + sides / 2, frame)
    if centred > _SPILLS * _beyond(first, first + sides, frame) and centred > sides.sum() / 1000:
        return against("boxes look like the top left corner and size, not like centre and size")
    return within(boxes, size, units, seen)


def _beyond(low: Floats, high: Floats, frame: NDArray[np.integer]) -> float:
    """By how much all boxes together reach beyond the picture."""
    return float((np.maximum(-low, 0) + np.maximum(high - frame, 0)).sum())


def within(boxes: Floats, size: tuple[int, int], units: str, seen: str) -> Findings:
    """Of boxes that should lie on the picture or a little beyond."""
    largest = float(np.abs(boxes[:, :2]).max(initial=0.0))
    if units == "pixels" and len(boxes) and largest <= 2.0:
        text = f"boxes are in fractions of the picture ({largest:.2f} at most), not in pixels"
        return against(text)
    if largest > (2 * max(size) if units == "pixels" else 2.0):
        return against(f"boxes reach to {largest:.0f}, far beyond the input")
    return Findings(evidence=(f"{seen}, in {units}",))


def _ordered(boxes: Floats) -> float:
    """The share of boxes whose second pair of numbers is right of and below the first."""
    if not len(boxes):
        return 0.0
    return float(((boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1])).mean())


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
