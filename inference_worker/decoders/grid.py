"""The cells of heads without anchors: for each stride a grid over the input, row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from inference_worker.decoders.base import Floats


def cell_count(strides: Sequence[int], width: int, height: int) -> int:
    """How many cells an input of `width` x `height` pixels has."""
    return sum(math.ceil(width / stride) * math.ceil(height / stride) for stride in strides)


def make_grid(
    strides: Sequence[int], width: int, height: int, centre: float = 0.0
) -> tuple[Floats, Floats]:
    """Of each cell the point that its box counts from, (n, 2) x y in strides; its stride, (n, 1).

    `centre`: where in its cell that point lies, in both directions; 0 is the top left corner.
    """
    points, sizes = [], []
    for stride in strides:
        columns, rows = math.ceil(width / stride), math.ceil(height / stride)
        y, x = np.mgrid[:rows, :columns]
        points.append(np.stack([x.ravel(), y.ravel()], axis=1) + centre)
        sizes.append(np.full((rows * columns, 1), stride))
    return np.concatenate(points).astype(np.float32), np.concatenate(sizes).astype(np.float32)
