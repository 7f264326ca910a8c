"""Synthetic scenes for the gate's tests, as luma at 1/8 of 1080p, and pictures for JPEG tests."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.jpeg import Luma

FULL = (1080, 1920)
LUMA = (135, 240)

Field = NDArray[np.float32]


def yard(seed: int = 0, *, mean: float = 90.0, contrast: float = 35.0) -> Field:
    """A scene with structure at all sizes, (1080, 1920), noise-free grey levels."""
    rng = np.random.default_rng(seed)
    scene = np.zeros(FULL, np.float32)
    for cell in (240, 60, 16):
        coarse = rng.normal(size=(FULL[0] // cell + 1, FULL[1] // cell + 1)).astype(np.float32)
        scene += cv2.resize(coarse, FULL[::-1], interpolation=cv2.INTER_LINEAR)
    scene *= contrast / float(scene.std())
    return np.asarray(np.clip(scene - scene.mean() + mean, 0, 255), np.float32)


def with_person(scene: Field, x: int, y: int, grey: float, size: tuple[int, int]) -> Field:
    """`scene` with an upright figure, `grey` levels brighter; x, y and size in pixels of 1080p."""
    scene, (width, height) = scene.copy(), size
    scene[y : y + height, x : x + width] += grey
    return scene


def seen(
    scene: Field,
    number: int,
    *,
    noise: float = 3.0,
    coding: float = 0.5,
    gain: float = 1.0,
    offset: float = 0.0,
) -> Luma:
    """The reduced luma of frame `number`: other light, fresh noise of a 1/8 reduction, 8 bits.

    `noise` is the sensor's standard deviation per full-size pixel at grey level 100, growing with
    the root of the light; the mean of 64 of them has an eighth of it. `coding` is what JPEG adds,
    in grey levels; next to nothing where the picture is nearly black.
    """
    rng = np.random.default_rng((number, 77))
    lit = cv2.resize(scene, LUMA[::-1], interpolation=cv2.INTER_AREA) * gain + offset
    deviation = noise / 8 * np.sqrt(np.maximum(lit, 0) / 100) + coding
    noisy = lit + deviation * rng.standard_normal(LUMA)
    return np.asarray(np.clip(np.round(noisy), 0, 255), np.uint8)


def picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth colourful picture (height, width, 3), far from mid-grey at its lower edge."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(2, height // 24), max(2, width // 24), 3), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(image, np.uint8)
