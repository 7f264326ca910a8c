"""NanoDet and NanoDet-Plus: the distances of a box's sides from a cell, as distributions.

The distributions are those of Li et al., "Generalized Focal Loss" (2020), section 3.2: the softmax
over whole numbers of strides, and its mean.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inference_worker.decoders.base import Candidates, Floats, by_image, output_of, scale_of
from inference_worker.decoders.grid import cell_count, make_grid
from inference_worker.formats import Nanodet, NanodetPlus


class NanodetDecoder:
    """Decodes the cells whose best class is above the floor, of all images at once."""

    def __init__(self, spec: Nanodet | NanodetPlus, labels: int, width: int, height: int) -> None:
        self._spec = spec
        self._labels = labels
        self._cells = [cell_count([stride], width, height) for stride in spec.strides]
        self._scale = scale_of(width, height)
        self._points, self._strides = make_grid(spec.strides, width, height, spec.centre)

    def decode(self, outputs: Mapping[str, Floats], score_floor: float) -> list[Candidates]:
        """See `Decoder.decode`. Each cell counts for its best class only."""
        scores, distributions = self._heads(outputs)
        best = scores.max(axis=2)
        image, cell = np.nonzero(best > score_floor)
        distances = self._distances(distributions[image, cell])
        points = self._points[cell]
        corners = np.concatenate([points - distances[:, :2], points + distances[:, 2:]], axis=1)
        boxes = corners * self._strides[cell] / self._scale
        classes = scores[image, cell].argmax(axis=1)
        return by_image(len(scores), image, boxes, best[image, cell], classes)

    def _heads(self, outputs: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """(batch, cells, classes) and (batch, cells, 4 * bins), of all strides."""
        spec, sides = self._spec, 4 * self._spec.bins
        if isinstance(spec, NanodetPlus):
            rows = output_of(outputs, spec.output, sum(self._cells), self._labels + sides)
            return rows[..., : self._labels], rows[..., self._labels :]
        scores, distances = [], []
        for cells, score, distance in zip(self._cells, spec.scores, spec.distances, strict=True):
            scores.append(output_of(outputs, score, cells, self._labels))
            distances.append(output_of(outputs, distance, cells, sides))
        return np.concatenate(scores, axis=1), np.concatenate(distances, axis=1)

    def _distances(self, logits: Floats) -> Floats:
        """(n, 4): left, top, right, bottom, in strides."""
        logits = logits.reshape(-1, 4, self._spec.bins)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        return np.asarray(weights @ np.arange(self._spec.bins, dtype=np.float32))
