"""Privacy masks: what a polygon covers is black before anything else sees the frame."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from producers.settings import Polygon
from producers.sources.base import Image


def paint_masks(image: Image, polygons: Sequence[Polygon]) -> None:
    """Paint polygons (corners in fractions of the frame) black, in place.

    Every pixel that a polygon touches is painted, its outline too: in doubt more, never less.
    Each polygon is filled for itself, so overlapping ones leave no hole.
    """
    height, width = image.shape[:2]
    for polygon in polygons:
        corners = np.array(polygon, dtype=np.float64) * (width, height)
        outline = np.round(corners).astype(np.int32)
        cv2.fillPoly(image, [outline], (0, 0, 0))
        cv2.polylines(image, [outline], isClosed=True, color=(0, 0, 0), thickness=2)
