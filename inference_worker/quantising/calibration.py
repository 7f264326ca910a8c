"""Ranges of activations: what INT8's 256 steps are to cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Range = tuple[float, float]
Method = Literal["minmax", "percentile", "least-error"]
# In the order of trying. A single outlier widens the steps of all values with minmax; it wrecked
# YOLOX-nano (docs/models.md).
METHODS: tuple[Method, ...] = ("minmax", "percentile", "least-error")

_SAMPLES = 2048  # of each activation of each picture
_PERCENT_OFF = 0.01  # at either end
_STEPS = 255
# Share of the whole range that is tried as the range.
_SHARES = np.linspace(0.25, 1.0, 16)


class Observed:
    """What an activation was on the pictures for calibration."""

    def __init__(self) -> None:
        self._low, self._high = 0.0, 0.0
        self._samples: list[Floats] = []

    def add(self, values: Floats) -> None:
        """Of one picture; any shape."""
        flat = values.ravel()
        if not flat.size:
            return
        self._low = min(self._low, float(flat.min()))
        self._high = max(self._high, float(flat.max()))
        self._samples.append(flat[:: max(1, flat.size // _SAMPLES)].copy())

    def range(self, method: Method, *, symmetric: bool) -> Range:
        """Lowest and highest value, with 0 between them: padding and ReLU need it exact."""
        whole = (self._low, self._high)
        if method != "minmax" and self._samples:
            samples = np.concatenate(self._samples)
            if method == "percentile":
                ends = np.percentile(samples, [_PERCENT_OFF, 100 - _PERCENT_OFF])
                whole = (min(0.0, float(ends[0])), max(0.0, float(ends[1])))
            else:
                whole = _least_error(samples, whole, symmetric=symmetric)
        return _about_zero(whole) if symmetric else whole


def ranges(
    observed: Mapping[str, Observed], method: Method, *, symmetric: bool
) -> dict[str, Range]:
    """Of each tensor."""
    return {name: one.range(method, symmetric=symmetric) for name, one in observed.items()}


def _least_error(samples: Floats, whole: Range, *, symmetric: bool) -> Range:
    """The share of the whole range that gives the least mean square error of its 255 steps."""
    candidates: Sequence[Range] = [(whole[0] * share, whole[1] * share) for share in _SHARES]
    if symmetric:
        candidates = [_about_zero(one) for one in candidates]
    errors = [_error(samples, *one) for one in candidates]
    return candidates[int(np.argmin(errors))]


def _error(samples: Floats, low: float, high: float) -> float:
    step = (high - low) / _STEPS
    if step <= 0:
        return float(np.square(samples, dtype=np.float64).mean())
    steps = np.clip(np.rint((samples - low) / step), 0, _STEPS)
    return float(np.square(steps * step + low - samples, dtype=np.float64).mean())


def _about_zero(one: Range) -> Range:
    furthest = max(-one[0], one[1])
    return -furthest, furthest
