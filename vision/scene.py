"""What has happened to a picture as a whole, where something has."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from vision.jpeg import Luma
from vision.tiles import Stabilised, Tiles, grey_of

# moved: the camera was turned. switched: other light all over, or from day to night (infrared).
# blind: one colour, so a covered lens or nothing but darkness. frozen: the same picture, bit for
# bit, from a camera whose pictures have noise.
Scene = Literal["moved", "switched", "blind", "frozen"]

# Grey levels between the darkest and the brightest tile. A nearly black yard by night has over 30.
_LEAST_SPREAD = 5.0
# Of a real shift 0.19 to 1.0 in ten scenes, each half of whose pictures moved or changed.
_LEAST_RESPONSE = 0.15


def is_blind(means: Tiles) -> bool:
    """Whether there is nothing to be seen but one colour. `means`: of stabilised tiles."""
    return grey_of(float(means.max())) - grey_of(float(means.min())) < _LEAST_SPREAD


def shift_between(reference: Stabilised, current: Stabilised) -> tuple[float, float] | None:
    """By how many pixels, x and y, the whole picture has moved; None where it can't be told.

    Phase correlation: Kuglin and Hines (1975).
    """
    window = cv2.createHanningWindow((reference.shape[1], reference.shape[0]), cv2.CV_32F)
    (x, y), response = cv2.phaseCorrelate(reference, current, window)
    return (x, y) if response >= _LEAST_RESPONSE else None


def shifted(luma: Luma, x: float, y: float) -> Luma:
    """`luma` moved by so many pixels; its edges are repeated."""
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    height, width = luma.shape
    moved = cv2.warpAffine(
        luma, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)
