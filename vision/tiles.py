"""How far a picture is from another one, tile by tile, light taken out.

All arrays are small: the luma at 1/8 (240x136 for 1080p) and one value per 4x4 tile (60x34).
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.jpeg import LUMA_MULTIPLE_PX, Luma

Pixel = TypeVar("Pixel", np.uint8, np.float32)

TILE_PX = LUMA_MULTIPLE_PX  # 4 of the reduced luma: 32 pixels of a 1080p frame

Stabilised = NDArray[np.float32]  # (height, width), multiples of TILE_PX; variance-stabilised
Tiles = NDArray[np.float32]  # (height / 4, width / 4)

# Square root: sensor noise grows with the root of the light, so afterwards it is about the same
# everywhere, and 3 grey levels count in a nearly black yard (0..255 becomes 11..181).
_SCALE = 11.3
STABILISE = (_SCALE * np.sqrt(np.arange(256) + 1.0)).astype(np.float32)

# Share of the tiles that the light is fitted on again: those that fit best.
_TRUSTED_SHARE = 0.7
# Tiles that suffice for that: 3 in 10 of those of 1080p, spread evenly.
_FITTED_TILES = 600
# After one a van that fills a quarter of the picture still pulls at the light; after two no more.
_REFITS = 2
# Beyond this (0.36 to 2.8 in luma) it is no longer "the same scene in another light": without a
# bound a covered lens would fit any scene with a gain of 0.
_GAIN_LIMITS = (0.6, 1 / 0.6)

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def pad(luma: Luma) -> Luma:
    """A copy of `luma` with its last row and column repeated up to whole tiles."""
    height, width = luma.shape
    below, right = -height % TILE_PX, -width % TILE_PX
    return np.asarray(
        cv2.copyMakeBorder(luma, 0, below, 0, right, cv2.BORDER_REPLICATE), dtype=np.uint8
    )


def stabilise(luma: Luma) -> Stabilised:
    """11.3·√(luma + 1), float32."""
    return np.asarray(cv2.LUT(luma, STABILISE), np.float32)


def grey_of(stabilised: float) -> float:
    """The grey level that a stabilised value stands for."""
    return (stabilised / _SCALE) ** 2 - 1


def every_other_row(values: NDArray[Pixel]) -> NDArray[Pixel]:
    """A copy of rows 0, 2, 4 ..."""
    return np.ascontiguousarray(values[::2])


def tile_means(values: Stabilised, rows_per_tile: int = TILE_PX) -> Tiles:
    """Mean of each tile of `rows_per_tile` by TILE_PX values."""
    height, width = values.shape
    size = (width // TILE_PX, height // rows_per_tile)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def differences(
    reference: Luma, current: Stabilised, means: Tiles, rows_per_tile: int = TILE_PX
) -> Tiles:
    """Mean absolute difference of each tile, after fitting the reference's light to `current`.

    `reference` is luma, `current` already stabilised, both of one shape; `means` are the tile means
    of `current`. Equal pictures give exactly 0.
    """
    gain, offset = fit_light(tile_means(stabilise(reference), rows_per_tile), means)
    # Gain and offset of a looked-up value are just another table. Clipped like the picture itself.
    table = np.clip(gain * STABILISE + offset, STABILISE[0], STABILISE[-1]).astype(np.float32)
    expected = cv2.LUT(reference, table)
    return tile_means(np.asarray(cv2.absdiff(expected, current), np.float32), rows_per_tile)


def fit_light(reference: Tiles, current: Tiles) -> tuple[float, float]:
    """Gain and offset with which `reference` comes closest to `current`, robustly.

    Least squares over all tiles, then twice over the 70 % that fit best, so that what moved does
    not count as light. The gain is bounded. Equal tiles give exactly (1, 0).
    """
    if np.array_equal(reference, current):
        return 1.0, 0.0
    step = max(1, reference.size // _FITTED_TILES)
    x, y = reference.ravel()[::step], current.ravel()[::step]
    gain, offset = _least_squares(x, y)
    trusted = max(1, int(len(x) * _TRUSTED_SHARE))
    for _ in range(_REFITS):
        residuals = np.abs(y - (np.float32(gain) * x + np.float32(offset)))
        best = residuals <= np.partition(residuals, trusted - 1)[trusted - 1]
        gain, offset = _least_squares(x[best], y[best])
    return gain, offset


def _least_squares(x: NDArray[np.float32], y: NDArray[np.float32]) -> tuple[float, float]:
    a, b = x.astype(np.float64), y.astype(np.float64)
    # By sums and products of all: a third of the time of what subtracts the means first.
    count, sum_a, sum_b = len(a), float(np.add.reduce(a)), float(np.add.reduce(b))
    spread = float(a @ a) - sum_a * sum_a / count
    # On a scene without structure a gain can't be told from an offset.
    gain = (float(a @ b) - sum_a * sum_b / count) / spread if spread > count else 1.0
    gain = min(max(gain, _GAIN_LIMITS[0]), _GAIN_LIMITS[1])
    return gain, (sum_b - gain * sum_a) / count


def clusters(ratios: Tiles) -> Tiles:
    """For each tile, the largest value that it and two neighbours of its reach, as its middle.

    Three tiles that touch by their edges always have one in the middle, so it is min(tile, second
    largest of its four neighbours).
    """
    height, width = ratios.shape
    around = np.zeros((height + 2, width + 2), np.float32)
    around[1:-1, 1:-1] = ratios
    up, down = around[:-2, 1:-1], around[2:, 1:-1]
    left, right = around[1:-1, :-2], around[1:-1, 2:]
    second = np.minimum(np.maximum(up, down), np.maximum(left, right))
    second = np.maximum(second, np.maximum(np.minimum(up, down), np.minimum(left, right)))
    return np.minimum(ratios, second)


def cluster_score(ratios: Tiles) -> float:
    """The largest value that a connected cluster of three tiles reaches with all of its tiles.

    0 where there are fewer than three tiles.
    """
    return float(clusters(ratios).max())


def in_clusters(ratios: Tiles, threshold: float) -> NDArray[np.bool_]:
    """The tiles of all connected clusters of three that are above `threshold` as a whole."""
    middles = (clusters(ratios) > threshold).astype(np.uint8)
    return np.asarray((cv2.dilate(middles, _CROSS) > 0) & (ratios > threshold), np.bool_)
