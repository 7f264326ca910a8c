"""Average precision as COCO counts it.

Lin et al., "Microsoft COCO: Common Objects in Context", and the rules of its detection challenge:
detections take, best score first, the free object that they overlap most; at each of ten IoUs
precision is made to fall with recall and read at 101 recalls, 0 to 1; AP is the mean of those.
A crowd stands for any number of objects: what lies in it counts neither as right nor as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vision.boxes import Floats, area, iou, shared_area

IOUS: Final = np.linspace(0.5, 0.95, 10)
RECALLS: Final = np.linspace(0.0, 1.0, 101)
# Name, and from and to which area, in pixels of the picture; both ends belong to it.
SIZES: Final[tuple[tuple[str, float, float], ...]] = (
    ("all", 0.0, 1e10),
    ("small", 0.0, 32.0**2),
    ("medium", 32.0**2, 96.0**2),
    ("large", 96.0**2, 1e10),
)
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Picture:
    """One class on one picture: what is there, and what was reported. Boxes: xyxy in pixels.

    objects: (g, 4) float64. crowd, ignored: (g,). An ignored object is counted neither if it is
    found nor if it is not; a crowd is ignored too, and takes any number of detections.
    areas: (g,) that decide about an object's size; COCO's are those of its outline, not its box.
    boxes: (d, 4) float64, with scores: (d,), in any order; of equal scores the first counts first.
    """

    objects: Floats
    crowd: Flags
    ignored: Flags
    areas: Floats
    boxes: Floats
    scores: Floats


@dataclass(frozen=True)
class _Judged:
    """Detections of one picture, best first: (d,) scores; (t, d) right, and out of account."""

    scores: Floats
    right: Flags
    ignored: Flags
    objects: int  # that count


def average_precision(pictures: Sequence[Picture]) -> Floats:
    """AP of one class over all pictures: (sizes, IoUs), in the order of SIZES and IOUS.

    NaN for a size of which there is no object.
    """
    return np.array(
        [_precision([_judge(one, low, high) for one in pictures]) for _, low, high in SIZES]
    )


def _judge(one: Picture, low: float, high: float) -> _Judged:
    order = np.argsort(-one.scores, kind="stable")
    boxes, scores = one.boxes[order], one.scores[order]
    aside = one.crowd | one.ignored | (one.areas < low) | (one.areas > high)
    taken = _match(_overlaps(boxes, one.objects, one.crowd), one.crowd, aside)
    sizes = area(boxes)
    outside = (sizes < low) | (sizes > high)
    found = taken >= 0
    # A detection of another size that found nothing is no mistake of this size.
    ignored = np.where(found, aside[taken] if len(aside) else False, outside[None, :])
    return _Judged(scores, found, ignored, int((~aside).sum()))


def _overlaps(boxes: Floats, objects: Floats, crowd: Flags) -> Floats:
    """(d, g): IoU; with a crowd, the share of the detection that lies in it."""
    plain = iou(boxes, objects)
    if not crowd.any():
        return plain
    shared, sizes = shared_area(boxes, objects), area(boxes)[:, None]
    within = np.divide(shared, sizes, out=np.zeros_like(shared), where=sizes > 0)
    return np.where(crowd[None, :], within, plain)


def _match(overlaps: Floats, crowd: Flags, aside: Flags) -> NDArray[np.intp]:
    """(t, d): the object that each detection takes at each IoU, -1 for none.

    Objects that count come before those aside, whatever they overlap; of equal overlaps the last.
    """
    taken = np.full((len(IOUS), len(overlaps)), -1, dtype=np.intp)
    least = np.minimum(IOUS, 1 - 1e-10)[:, None]
    free = np.ones((len(IOUS), len(aside)), dtype=bool)
    for number in np.flatnonzero((overlaps >= least[0]).any(axis=1)):
        fit = (overlaps[number][None, :] >= least) & (free | crowd[None, :])
        first = fit & ~aside[None, :]
        fit = np.where(first.any(axis=1)[:, None], first, fit)
        able = np.flatnonzero(fit.any(axis=1))
        shown = np.where(fit, overlaps[number][None, :], -1.0)[able, ::-1]
        best = shown.shape[1] - 1 - shown.argmax(axis=1)
        taken[able, number] = best
        free[able, best] = False
    return taken


def _precision(judged: Sequence[_Judged]) -> Floats:
    """(IoUs,): AP over the detections of all pictures; NaN without objects."""
    objects = sum(one.objects for one in judged)
    if objects == 0:
        return np.full(len(IOUS), np.nan)
    scores = np.concatenate([one.scores for one in judged])
    order = np.argsort(-scores, kind="stable")
    right = np.concatenate([one.right for one in judged], axis=1)[:, order]
    counts = ~np.concatenate([one.ignored for one in judged], axis=1)[:, order]
    hits = (right & counts).cumsum(axis=1)
    recall = hits / objects
    precision = hits / np.maximum(counts.cumsum(axis=1), 1)
    # At each recall the best precision at this or a higher one.
    falling = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return np.array([_read(*one) for one in zip(recall, falling, strict=True)])


def _read(recall: Floats, precision: Floats) -> float:
    places = np.searchsorted(recall, RECALLS, side="left")
    reached = places[places < len(recall)]
    return float(precision[reached].sum() / len(RECALLS))
