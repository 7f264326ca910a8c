"""How much each tile of a camera moves by itself, learnt from consecutive frames.

A tile's noise is one byte: NOISE[level], from 0.6 (the floor) to 98 in steps of 2 %. Whole-number
steps make a state small and its restoring exact.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.tiles import Tiles

Levels = NDArray[np.uint8]  # one per tile

NOISE = (0.6 * np.exp(0.02 * np.arange(256))).astype(np.float32)

# Up 3, down 2: at rest where two differences in five lie above, which is the .6 quantile.
_STEP_UP, _STEP_DOWN = 3, 2
_QUANTILE = _STEP_UP / (_STEP_UP + _STEP_DOWN)
# Beyond this level, which is a noise of 3.6, up 1 and down 9: only what moves in nine frames of ten
# is learnt, as a clock's seconds or foliage. Without this knee a road full of cars and a room in
# which somebody walks were learnt within ten frames: F1 .71 on the worst of eleven clips at the
# threshold that gives .97 with it.
_KNEE = 90
_HIGH_STEP_UP, _HIGH_STEP_DOWN = 1, 9
# Steps are larger at first, so that a clock overlay is learnt within some ten frames.
_FIRST_PACE, _FRAMES_PER_PACE = 8, 4
MAX_LEARNT = _FIRST_PACE * _FRAMES_PER_PACE  # from here on the pace is 1; no need to count on
# The first two frames may differ by more than noise: a camera that starts with a grey picture must
# not have its first real one measured by that very change. A sensor at night stays below this.
_MAX_FIRST_NOISE = 4.0


def noise_of(levels: Levels) -> Tiles:
    """Each tile's noise, in stabilised luma."""
    return np.asarray(cv2.LUT(levels, NOISE), np.float32)


def common_level(moved: Tiles) -> Levels:
    """Where all tiles begin: stabilised noise is much the same all over a picture."""
    common = min(float(np.quantile(moved, _QUANTILE)), _MAX_FIRST_NOISE)
    return np.full(moved.shape, np.searchsorted(NOISE, common), np.uint8)


def follow(levels: Levels, moved: Tiles, learnt: int) -> Levels:
    """`levels` a step nearer to what each tile moves between two frames; so many were before."""
    pace = max(1, _FIRST_PACE - learnt // _FRAMES_PER_PACE)
    above = moved > noise_of(levels)
    steps = np.where(above, np.int16(_STEP_UP * pace), np.int16(-_STEP_DOWN * pace))
    # On its way up a tile stops at the knee.
    stepped = np.minimum(levels + steps, _KNEE)
    high = levels >= _KNEE
    if high.any():
        steps = np.where(above, np.int16(_HIGH_STEP_UP * pace), np.int16(-_HIGH_STEP_DOWN * pace))
        stepped = np.where(high, levels + steps, stepped)
    return np.clip(stepped, 0, len(NOISE) - 1).astype(np.uint8)
