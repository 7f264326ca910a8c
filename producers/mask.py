"""Privacy masks: what a polygon covers is black, or a blur, before anything else sees the frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np

from producers.settings import Polygon
from producers.sources.base import Image

MaskStyle = Literal["black", "blur"]
# A blurred frame is made of so many mean colours along its longest side: a face at the end of a
# yard is less than one of them. What is averaged away can't be won back, as it can from a filter.
BLUR_CELLS = 24


def paint_masks(image: Image, polygons: Sequence[Polygon], style: MaskStyle = "black") -> None:
    """Cover polygons (corners in fractions of the frame), in place.

    Every pixel that a polygon touches is covered, its outline too: in doubt more, never less.
    Each polygon is filled for itself, so overlapping ones leave no hole.
    """
    if not polygons:
        return
    if style == "black":
        _fill(image, polygons, (0, 0, 0))
        return
    covered = np.zeros(image.shape[:2], dtype=np.uint8)
    _fill(covered, polygons, (255,))
    np.copyto(image, _blurred(image), where=(covered > 0)[:, :, None])


def _fill(image: Image, polygons: Sequence[Polygon], colour: Sequence[int]) -> None:
    height, width = image.shape[:2]
    for polygon in polygons:
        corners = np.array(polygon, dtype=np.float64) * (width, height)
        outline = np.round(corners).astype(np.int32)
        cv2.fillPoly(image, [outline], colour)
        cv2.polylines(image, [outline], isClosed=True, color=colour, thickness=2)


def _blurred(image: Image) -> Image:
    height, width = image.shape[:2]
    cell = max(1, max(height, width) // BLUR_CELLS)
    cells = (max(1, width // cell), max(1, height // cell))
    means = cv2.resize(image, cells, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(means, (width, height)), dtype=np.uint8)
