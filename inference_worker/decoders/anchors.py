"""YOLO heads that the graph leaves undecoded: v3, v5 and v7, Yolo-FastestV2.

v3: Redmon and Farhadi, "YOLOv3: An Incremental Improvement" (2018), section 2.1. v5 and v7: the
`Detect` layer of Ultralytics' YOLOv5. Yolo-FastestV2 codes boxes as v5 does; its classes, after the
softmax, are those of the cell.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from inference_worker.decoders.base import (
    Candidates,
    Floats,
    by_image,
    corners,
    logit,
    output_of,
    scale_of,
    sigmoid,
)
from inference_worker.formats import YoloAnchors

Indices = NDArray[np.intp]


class YoloAnchorsDecoder:
    """Decodes the anchors whose score is above the floor, of all images at once, head by head."""

    def __init__(self, spec: YoloAnchors, labels: int, width: int, height: int) -> None:
        self._spec = spec
        self._labels = labels
        self._scale = scale_of(width, height)
        self._cells = spec.cells(width, height)
        places = [spec.per_cell * rows * columns for rows, columns in self._cells]
        self._starts = [sum(places[:head]) for head in range(len(places) + 1)]
        self._anchors = np.array(spec.anchors, dtype=np.float32).reshape(-1, spec.per_cell, 2)

    def decode(self, outputs: Mapping[str, Floats], score_floor: float) -> list[Candidates]:
        """See `Decoder.decode`. Each anchor counts for its best class only."""
        parts = [self._head(outputs, head, score_floor) for head in range(len(self._cells))]
        image, boxes, scores, classes = (
            np.concatenate(arrays) for arrays in zip(*parts, strict=True)
        )
        order = np.argsort(image, kind="stable")
        batch = len(outputs[self._spec.outputs[0]])
        return by_image(batch, image[order], boxes[order], scores[order], classes[order])

    def _head(
        self, outputs: Mapping[str, Floats], head: int, score_floor: float
    ) -> tuple[Indices, Floats, Floats, Indices]:
        """Image, box, score and class of one stride."""
        values = self._values(outputs, head)
        # No score is above its objectness: this leaves few anchors to be looked at.
        floor = score_floor if self._spec.activated else logit(score_floor)
        image, anchor, row, column = np.nonzero(values[..., 4] > floor)
        found = values[image, anchor, row, column]
        if not self._spec.activated:
            found = self._activated(found)
        scores = found[:, 4] * found[:, 5:].max(axis=1, initial=0)
        stays = scores > score_floor
        found, cell = found[stays], np.stack([column[stays], row[stays]], axis=1)
        boxes = self._boxes(found, cell, self._anchors[head][anchor[stays]], head)
        return image[stays], boxes, scores[stays], found[:, 5:].argmax(axis=1)

    def _activated(self, found: Floats) -> Floats:
        done = sigmoid(found)
        if self._spec.coding == "yolov3":
            done[:, 2:4] = found[:, 2:4]
        return done

    def _boxes(self, found: Floats, cell: Indices, anchors: Floats, head: int) -> Floats:
        """xyxy in fractions of the input."""
        stride = self._spec.strides[head]
        if self._spec.coding == "yolov5":
            centres = (found[:, :2] * 2 - 0.5 + cell) * stride
            sizes = (found[:, 2:4] * 2) ** 2 * anchors
        else:
            centres = (found[:, :2] + cell) * stride
            with np.errstate(over="ignore"):  # an endless box is clipped to the frame later
                sizes = np.exp(found[:, 2:4]) * anchors
        return np.asarray(corners(centres, sizes) / self._scale, dtype=np.float32)

    def _values(self, outputs: Mapping[str, Floats], head: int) -> Floats:
        """A view (batch, anchors, rows, columns, 5 + classes) of one stride's output."""
        spec = self._spec
        rows, columns = self._cells[head]
        per_cell, values = spec.per_cell, 5 + self._labels
        if spec.layout == "joined":
            raw = output_of(outputs, spec.outputs[0], self._starts[-1], values)
            part = raw[:, self._starts[head] : self._starts[head + 1]]
            return part.reshape(-1, per_cell, rows, columns, values)
        name = spec.outputs[head]
        if spec.layout == "anchors-first":
            return output_of(outputs, name, per_cell, rows, columns, values)
        if spec.layout == "values-first":
            raw = output_of(outputs, name, per_cell * values, rows, columns)
            return raw.reshape(-1, per_cell, values, rows, columns).transpose(0, 1, 3, 4, 2)
        if not spec.shared_classes:
            raw = output_of(outputs, name, rows, columns, per_cell * values)
            return raw.reshape(-1, rows, columns, per_cell, values).transpose(0, 3, 1, 2, 4)
        raw = output_of(outputs, name, rows, columns, per_cell * 5 + self._labels)
        return _spread(raw, per_cell)


def _spread(raw: Floats, per_cell: int) -> Floats:
    """Of cells with boxes, objectnesses and classes one after the other: a row per anchor."""
    batch, rows, columns, values = raw.shape
    boxes = raw[..., : 4 * per_cell].reshape(batch, rows, columns, per_cell, 4)
    objects = raw[..., 4 * per_cell : 5 * per_cell, None]
    classes = raw[..., None, 5 * per_cell :]
    shape = (batch, rows, columns, per_cell, values - 5 * per_cell)
    spread = np.concatenate([boxes, objects, np.broadcast_to(classes, shape)], axis=4)
    return spread.transpose(0, 3, 1, 2, 4)
