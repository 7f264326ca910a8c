"""How well the boxes that are reported agree with those that should be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.messages import Box
from vision.boxes import iou

IOU = 0.5  # from here on two boxes of one label are the same object


def matches(
    reported: Sequence[Box], expected: Sequence[Box], least_iou: float = IOU
) -> list[tuple[int, int]]:
    """Pairs (index reported, index expected) of the same object, each box in one pair at most.

    Of one label, and by their IoU, the best pair first.
    """
    found = []
    for label, ours in _by_label(reported).items():
        theirs = _by_label(expected).get(label, [])
        overlaps = iou(_corners(reported, ours), _corners(expected, theirs))
        left_ours, left_theirs = set(range(len(ours))), set(range(len(theirs)))
        for place in np.argsort(-overlaps, axis=None, kind="stable"):
            one, other = divmod(int(place), len(theirs))
            if overlaps[one, other] < least_iou:
                break
            if one in left_ours and other in left_theirs:
                left_ours.discard(one)
                left_theirs.discard(other)
                found.append((ours[one], theirs[other]))
    return sorted(found)


def f1(reported: Sequence[Box], expected: Sequence[Box], *, doubtful: float = 0.0) -> float:
    """2·TP / (2·TP + FP + FN); 1 where there is nothing on either side.

    `doubtful`: a box without partner whose score is below that counts on neither side. Detectors
    flicker about their threshold, and so would the figure.
    """
    pairs = matches(reported, expected)
    ours, theirs = {one for one, _ in pairs}, {other for _, other in pairs}
    wrong = _unmatched(reported, ours, doubtful) + _unmatched(expected, theirs, doubtful)
    return 2 * len(pairs) / (2 * len(pairs) + wrong) if pairs or wrong else 1.0


def _unmatched(boxes: Sequence[Box], matched: set[int], doubtful: float) -> int:
    return sum(index not in matched and box.score >= doubtful for index, box in enumerate(boxes))


def _by_label(boxes: Sequence[Box]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for index, box in enumerate(boxes):
        places[box.label].append(index)
    return places


def _corners(boxes: Sequence[Box], places: Sequence[int]) -> NDArray[np.float64]:
    rows = [(boxes[at].x1, boxes[at].y1, boxes[at].x2, boxes[at].y2) for at in places]
    return np.array(rows, np.float64).reshape(-1, 4)
