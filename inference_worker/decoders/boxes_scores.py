"""Boxes that the graph has decoded, with all classes' scores in an output of their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inference_worker.decoders.base import (
    Candidates,
    Floats,
    by_image,
    corners,
    output_of,
    unit_scale,
)
from inference_worker.formats import BoxesScores


class BoxesScoresDecoder:
    """Takes the places whose best class is above the floor, of all images at once."""

    def __init__(self, spec: BoxesScores, labels: int, width: int, height: int) -> None:
        self._spec = spec
        self._first = 1 if spec.background else 0
        self._classes = labels + self._first
        self._scale = unit_scale(spec.units, width, height)

    def decode(self, outputs: Mapping[str, Floats], score_floor: float) -> list[Candidates]:
        """See `Decoder.decode`. Each place counts for its best class only."""
        spec = self._spec
        boxes = self._boxes(outputs)
        if spec.layout == "places-first":
            scores = output_of(outputs, spec.scores, boxes.shape[1], self._classes)
        else:
            scores = output_of(outputs, spec.scores, self._classes, boxes.shape[1])
            scores = scores.transpose(0, 2, 1)
        scores = scores[..., self._first :]
        best = scores.max(axis=2)
        image, place = np.nonzero(best > score_floor)
        found = boxes[image, place]
        if spec.order == "cxcywh":
            found = corners(found[:, :2], found[:, 2:])
        classes = scores[image, place].argmax(axis=1)
        return by_image(len(boxes), image, found / self._scale, best[image, place], classes)

    def _boxes(self, outputs: Mapping[str, Floats]) -> Floats:
        """(batch, n, 4)"""
        found = outputs.get(self._spec.boxes)
        if found is not None and found.ndim == 4 and found.shape[2] == 1:
            return output_of(outputs, self._spec.boxes, None, 1, 4)[:, :, 0]
        return output_of(outputs, self._spec.boxes, None, 4)
