"""A graph's answer to one picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Answer = Mapping[str, NDArray[np.generic]]  # outputs for one picture, without the batch


def floats(array: NDArray[np.generic]) -> Floats:
    """In float64, whatever the graph gives."""
    return array.astype(np.float64)
