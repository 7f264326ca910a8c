"""What every decoder does: a model's raw outputs in, candidate boxes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Candidates:
    """What one image may show, before non-maximum suppression, in no particular order.

    boxes: (n, 4) float32, xyxy, in fractions of the model's input, not clipped.
    scores: (n,) float32, 0..1, all above the floor that was asked for.
    classes: (n,), indices into the manifest's labels.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.intp]


class Decoder(Protocol):
    """Reads one output format; vectorised over the batch, holds nothing between calls."""

    def decode(
        self, outputs: Mapping[str, NDArray[np.float32]], score_floor: float
    ) -> list[Candidates]:
        """Candidates with a score above `score_floor`, one entry per image of the batch.

        Raises FatalError if the outputs don't have the names and shapes of this format.
        """
        ...
