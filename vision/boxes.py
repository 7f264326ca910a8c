"""Boxes as arrays: IoU, non-maximum suppression, clipping, and where a frame lies on an input.

Boxes are `(n, 4)` arrays of `x1 y1 x2 y2` (xyxy). Unless a docstring says otherwise any unit will
do, as long as it is the same for all boxes of a call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]
Anchor = Literal["centre", "top-left"]


def area(boxes: Floats) -> Floats:
    """Areas, `(n,)`; 0 for a box whose corners are the wrong way round."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def shared_area(a: Floats, b: Floats) -> Floats:
    """Area that every box of `a` (n) has in common with every one of `b` (m): `(n, m)`."""
    # Column by column: numpy is three times as fast on (n, m) as on (n, m, 2).
    wide = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    high = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    return np.asarray(np.maximum(wide, 0) * np.maximum(high, 0))


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every box of `a` (n) with every one of `b` (m): `(n, m)`, 0..1.

    Two boxes without area have an IoU of 0.
    """
    shared = shared_area(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def nms(
    boxes: Floats, scores: Floats, groups: NDArray[np.integer], iou_threshold: float
) -> Indices:
    """Greedy non-maximum suppression within each group (class).

    A box goes if its IoU with a better box *that stays*, of its own group, is above
    `iou_threshold`. Returns the indices that stay, best score first; equal scores keep the order
    in which they came.

    Memory grows with the square of n: hand over the best few hundred.
    """
    order = np.argsort(-scores, kind="stable")
    boxes, groups = boxes[order], groups[order]
    # suppresses[i, j]: if i stays, j goes. Only better boxes suppress, so i < j.
    suppresses = np.triu(
        (iou(boxes, boxes) > iou_threshold) & (groups[:, None] == groups[None, :]), k=1
    )
    # The greedy answer is the only `stays` with stays[j] = no i with stays[i] and suppresses[i, j].
    # After k rounds every box whose chain of suppressors is shorter than k is settled, so the loop
    # ends, after as many rounds as the longest chain (2 to 4 on real frames) instead of n.
    stays = np.ones(len(order), dtype=bool)
    while True:
        settled = ~(suppresses & stays[:, None]).any(axis=0)
        if np.array_equal(settled, stays):
            return order[stays]
        stays = settled


def clip(boxes: Floats, low: float = 0.0, high: float = 1.0) -> Floats:
    """The boxes with every coordinate brought into `low..high`."""
    return np.clip(boxes, low, high)


@dataclass(frozen=True)
class Placement:
    """Where a frame lies on a model's input: a rectangle of whole pixels of the input."""

    input_width: int
    input_height: int
    left: int
    top: int
    width: int
    height: int

    def to_frame(self, boxes: Floats) -> Floats:
        """Boxes in fractions of the input → in fractions of the frame (outside 0..1 on padding)."""
        offset = np.array([self.left, self.top] * 2, dtype=boxes.dtype)
        size = np.array([self.width, self.height] * 2, dtype=boxes.dtype)
        scale = np.array([self.input_width, self.input_height] * 2, dtype=boxes.dtype)
        return np.asarray((boxes * scale - offset) / size)


def stretched(input_width: int, input_height: int) -> Placement:
    """The frame fills the whole input; its aspect ratio is lost."""
    return Placement(input_width, input_height, 0, 0, input_width, input_height)


def letterboxed(
    frame_width: int, frame_height: int, input_width: int, input_height: int, anchor: Anchor
) -> Placement:
    """The frame keeps its aspect ratio and touches two sides of the input; the rest is padding.

    Whole pixels as the model's own training code makes them: at the top left (YOLOX) the sides are
    cut off to them, in the centre (YOLOv5) rounded. One pixel moves the AP50 of a detector of
    192 x 192 by .01.
    """
    scale = min(input_width / frame_width, input_height / frame_height)
    # A side that fits exactly may come out as 415.999….
    whole: Callable[[float], int] = round if anchor == "centre" else _cut
    width = min(input_width, max(1, whole(frame_width * scale)))
    height = min(input_height, max(1, whole(frame_height * scale)))
    left, top = 0, 0
    if anchor == "centre":
        left, top = (input_width - width) // 2, (input_height - height) // 2
    return Placement(input_width, input_height, left, top, width, height)


def _cut(side: float) -> int:
    return int(side + 1e-6)
