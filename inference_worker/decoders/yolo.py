"""The YOLO heads that give one row of numbers per place: YOLOX, YOLOv5 and v7, YOLOv8 and later.

YOLOX: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", section 2.1. The others: the `Detect`
layers of Ultralytics' YOLOv5 and YOLOv8 as they are exported.
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
    output_of,
    scale_of,
    unit_scale,
)
from inference_worker.decoders.grid import make_grid
from inference_worker.formats import YoloV5, YoloV8, Yolox

Indices = NDArray[np.intp]


class YoloxDecoder:
    """Decodes the cells whose best class is above the floor, of all images at once."""

    def __init__(self, spec: Yolox, labels: int, width: int, height: int) -> None:
        self._spec = spec
        self._labels = labels
        self._scale = scale_of(width, height)
        self._points, self._strides = make_grid(spec.strides, width, height)

    def decode(self, outputs: Mapping[str, Floats], score_floor: float) -> list[Candidates]:
        """See `Decoder.decode`. Each cell counts for its best class only."""
        rows = output_of(outputs, self._spec.output, len(self._points), 5 + self._labels)
        image, cell, scores, classes = with_objectness(rows, score_floor)
        found = rows[image, cell]
        centres, sizes = found[:, :2], found[:, 2:4]
        if not self._spec.decoded:
            centres = (centres + self._points[cell]) * self._strides[cell]
            with np.errstate(over="ignore"):  # an endless box is clipped to the frame later
                sizes = np.exp(sizes) * self._strides[cell]
        boxes = corners(centres, sizes) / self._scale
        return by_image(len(rows), image, boxes, scores, classes)


class YoloV5Decoder:
    """Takes the anchors whose best class is above the floor, of all images at once."""

    def __init__(self, spec: YoloV5, labels: int, width: int, height: int) -> None:
        self._spec = spec
        self._labels = labels
        self._scale = unit_scale(spec.units, width, height)

    def decode(self, outputs: Mapping[str, Floats], score_floor: float) -> list[Candidates]:
        """See `Decoder.decode`. Each anchor counts for its best class only."""
        rows = output_of(outputs, self._spec.output, None, 5 + self._labels)
        image, anchor, scores, classes = with_objectness(rows, score_floor)
        found = rows[image, anchor]
        boxes = corners(found[:, :2], found[:, 2:4]) / self._scale
        return by_image(len(rows), image, boxes, scores, classes)


class YoloV8Decoder:
    """Takes the anchors whose best class is above the floor, of all images at once."""

    def __init__(self, spec: YoloV8, labels: int, width: int, height: int) -> None:
        self._spec = spec
        self._values = 4 + labels
        self._scale = unit_scale(spec.units, width, height)

    def decode(self, outputs: Mapping[str, Floats], score_floor: float) -> list[Candidates]:
        """See `Decoder.decode`. Each anchor counts for its best class only."""
        if self._spec.layout == "values-first":
            values = output_of(outputs, self._spec.output, self._values, None)
        else:
            values = output_of(outputs, self._spec.output, None, self._values).transpose(0, 2, 1)
        best = values[:, 4:].max(axis=1)
        image, anchor = np.nonzero(best > score_floor)
        found = values[image, :, anchor]
        boxes = corners(found[:, :2], found[:, 2:4]) / self._scale
        classes = found[:, 4:].argmax(axis=1)
        return by_image(len(values), image, boxes, best[image, anchor], classes)


def with_objectness(rows: Floats, score_floor: float) -> tuple[Indices, Indices, Floats, Indices]:
    """Image, place, score and class of the rows whose objectness times best class is above it."""
    # No score is above its objectness: this leaves few rows whose classes have to be looked at.
    image, place = np.nonzero(rows[..., 4] > score_floor)
    found = rows[image, place]
    scores = found[:, 4] * found[:, 5:].max(axis=1)
    stays = scores > score_floor
    classes = found[stays, 5:].argmax(axis=1)
    return image[stays], place[stays], scores[stays], classes
