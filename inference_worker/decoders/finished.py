"""Boxes that the graph has suppressed: the best ones are there, each object once.

As TensorFlow's Object Detection API gives them, and MMDetection, TensorRT's EfficientNMS plugin,
YOLOv7's and YOLO-NAS's flat rows, PaddleDetection, YOLOv10.
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
    unit_scale,
    unsqueezed,
)
from inference_worker.formats import Finished, Rows, YoloV10
from runtime.errors import FatalError

_YXYX = [1, 0, 3, 2]
_YOLOV10 = ("x1", "y1", "x2", "y2", "score", "class")


class RowsDecoder:
    """Takes the rows above the floor."""

    def __init__(self, spec: YoloV10 | Rows, labels: int, width: int, height: int) -> None:
        columns = spec.columns if isinstance(spec, Rows) else _YOLOV10
        self._first = spec.first_class if isinstance(spec, Rows) else 0
        self._output = spec.output
        self._columns = len(columns)
        self._one_image = "image" in columns
        self._box = [columns.index(corner) for corner in ("x1", "y1", "x2", "y2")]
        self._score, self._class = columns.index("score"), columns.index("class")
        self._labels = labels
        self._scale = unit_scale(spec.units, width, height)

    def decode(self, outputs: Mapping[str, Floats], score_floor: float) -> list[Candidates]:
        """See `Decoder.decode`. Raises FatalError for a class without a label too."""
        outputs = unsqueezed(outputs, {self._output: 3})
        rows = output_of(outputs, self._output, None, self._columns)
        if self._one_image and len(rows) != 1:
            raise FatalError(f"the model's output {self._output!r} has the rows of one batch only")
        image, row = np.nonzero(rows[..., self._score] > score_floor)
        found = rows[image, row]
        classes = class_numbers(found[:, self._class], self._output, self._labels, self._first)
        boxes = found[:, self._box] / self._scale
        return by_image(len(rows), image, boxes, found[:, self._score], classes)


class FinishedDecoder:
    """Takes the boxes above the floor, of those that the graph counts."""

    def __init__(self, spec: Finished, labels: int, width: int, height: int) -> None:
        self._spec = spec
        self._labels = labels
        self._scale = unit_scale(spec.units, width, height)

    def decode(self, outputs: Mapping[str, Floats], score_floor: float) -> list[Candidates]:
        """See `Decoder.decode`. Raises FatalError for a class without a label too."""
        spec = self._spec
        outputs = unsqueezed(outputs, {spec.boxes: 3, spec.classes: 2, spec.scores or "": 2})
        boxes = output_of(outputs, spec.boxes, None, 4 if spec.scores else 5)
        number = boxes.shape[1]
        scores = output_of(outputs, spec.scores, number) if spec.scores else boxes[..., 4]
        labels = output_of(outputs, spec.classes, number)
        image, place = np.nonzero((scores > score_floor) & self._counted(outputs, scores))
        classes = class_numbers(labels[image, place], spec.classes, self._labels, spec.first_class)
        found = boxes[image, place, :4]
        if spec.order == "yxyx":
            found = found[:, _YXYX]
        return by_image(len(boxes), image, found / self._scale, scores[image, place], classes)

    def _counted(self, outputs: Mapping[str, Floats], scores: Floats) -> np.ndarray:
        """(batch, n): which are among the first so many."""
        if self._spec.count is None:
            return np.ones(scores.shape, dtype=bool)
        if self._spec.count not in outputs or outputs[self._spec.count].size != len(scores):
            raise FatalError(
                f"the model has no output {self._spec.count!r} with a number per image"
            )
        counts = outputs[self._spec.count].reshape(-1, 1)
        return np.asarray(np.arange(scores.shape[1])[None] < counts)
