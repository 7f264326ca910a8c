"""Finished boxes of the DETR family: DEIM, D-FINE, RT-DETR.

Their graphs end with the deploy form of RT-DETR's post-processor (Zhao et al., "DETRs Beat YOLOs
on Real-time Object Detection", 2023): the best queries with label, box and score after the sigmoid.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inference_worker.decoders.base import (
    Candidates,
    Floats,
    by_image,
    class_numbers,
    output_of,
    scale_of,
)
from inference_worker.formats import Detr


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
