"""FastestDet: one map over the input, a box per cell.

Decoding as in its author's `utils/tool.py` (dog-qiuqiu/FastestDet): the score weighs objectness
and class by powers of 0.6 and 0.4; a centre may lie a cell beside its own; sizes are fractions of
the picture.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inference_worker.decoders.base import (
    Candidates,
    Floats,
    by_image,
    corners,
    output_of,
    sigmoid,
)
from inference_worker.decoders.grid import make_grid
from inference_worker.formats import FastestDet

_OF_OBJECT, _OF_CLASS = 0.6, 0.4


class FastestDetDecoder:
    """Decodes the cells whose score is above the floor, of all images at once."""

    def __init__(self, spec: FastestDet, labels: int, width: int, height: int) -> None:
        self._spec = spec
        self._labels = labels
        self._rows, self._columns = -(-height // spec.stride), -(-width // spec.stride)
        self._points, _ = make_grid([spec.stride], width, height)

    def decode(self, outputs: Mapping[str, Floats], score_floor: float) -> list[Candidates]:
        """See `Decoder.decode`. Each cell counts for its best class only."""
        values = 5 + self._labels
        raw = output_of(outputs, self._spec.output, values, self._rows, self._columns)
        raw = raw.reshape(len(raw), values, -1)
        # A class is 1 at most: this leaves few cells whose classes have to be looked at.
        image, cell = np.nonzero(np.maximum(raw[:, 0], 0) ** _OF_OBJECT > score_floor)
        found = raw[image, :, cell]
        best = np.maximum(found[:, 5:].max(axis=1, initial=0), 0)
        scores = found[:, 0] ** _OF_OBJECT * best**_OF_CLASS
        stays = scores > score_floor
        found, image, cell = found[stays], image[stays], cell[stays]
        grid = np.array([self._columns, self._rows], dtype=np.float32)
        centres = (self._points[cell] + np.tanh(found[:, 1:3])) / grid
        boxes = corners(centres, sigmoid(found[:, 3:5]))
        return by_image(len(raw), image, boxes, scores[stays], found[:, 5:].argmax(axis=1))
