"""Boxes of the DETR family.

DEIM's, D-FINE's and RT-DETR's own graphs end with the deploy form of RT-DETR's post-processor (Zhao
et al., "DETRs Beat YOLOs on Real-time Object Detection", 2023): the best queries with label, box
and score after the sigmoid. Those of Transformers end a step earlier.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inference_worker.decoders.base import (
    Candidates,
    Floats,
    by_image,
    class_numbers,
    corners,
    logit,
    output_of,
    scale_of,
    sigmoid,
)
from inference_worker.formats import Detr, DetrLogits


class DetrDecoder:
    """Takes the queries above the floor."""

    def __init__(self, spec: Detr, labels: int, width: int, height: int) -> None:
        """`width`, `height`: what the graph is told as the picture's size, in pixels."""
        self._spec = spec
        self._labels = labels
        self._scale = scale_of(width, height)

    def decode(self, outputs: Mapping[str, Floats], score_floor: float) -> list[Candidates]:
        """See `Decoder.decode`. Raises FatalError for a class without a label too."""
        scores = output_of(outputs, self._spec.scores, None)
        queries = scores.shape[1]
        boxes = output_of(outputs, self._spec.boxes, queries, 4)
        labels = output_of(outputs, self._spec.labels, queries)
        image, query = np.nonzero(scores > score_floor)
        classes = class_numbers(labels[image, query], self._spec.labels, self._labels)
        return by_image(
            len(scores), image, boxes[image, query] / self._scale, scores[image, query], classes
        )


class DetrLogitsDecoder:
    """Takes the queries whose best class is above the floor, each for that class only."""

    def __init__(self, spec: DetrLogits, labels: int, *_size: int) -> None:
        """`_size`: of no matter, since boxes are in fractions."""
        self._spec = spec
        self._first = spec.first_class
        self._labels = labels
        self._classes = self._first + labels + (spec.activation == "softmax") + spec.spare

    def decode(self, outputs: Mapping[str, Floats], score_floor: float) -> list[Candidates]:
        """See `Decoder.decode`."""
        logits = output_of(outputs, self._spec.logits, None, self._classes)
        boxes = output_of(outputs, self._spec.boxes, logits.shape[1], 4)
        if self._spec.activation == "softmax":
            weights = np.exp(logits - logits.max(axis=2, keepdims=True))
            logits, floor = weights / weights.sum(axis=2, keepdims=True), score_floor
        else:
            floor = logit(score_floor)
        logits = logits[..., self._first : self._first + self._labels]
        best = logits.max(axis=2)
        image, query = np.nonzero(best > floor)
        scores = best[image, query]
        if self._spec.activation == "sigmoid":
            scores = sigmoid(scores)
        found = boxes[image, query]
        classes = logits[image, query].argmax(axis=1)
        return by_image(len(boxes), image, corners(found[:, :2], found[:, 2:]), scores, classes)
