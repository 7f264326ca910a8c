"""Raw outputs of heads that see given boxes, worked out the other way round than decoders do.

Everything is for an input of 64 x 48 pixels with the strides 8, 16 and 32: 8 x 6, 4 x 3 and 2 x 2
cells, of which the last reach over the lower edge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inference_worker.formats import (
    Detr,
    Nanodet,
    NanodetPlus,
    Output,
    Ssd,
    SsdAnchors,
    YoloV5,
    YoloV8,
    YoloV10,
    Yolox,
)

WIDTH, HEIGHT, CLASSES, BINS = 64, 48, 3, 8
# Column, row and stride of each cell, in the order in which heads give them.
CELLS = [
    (column, row, stride)
    for stride, columns, rows in ((8, 8, 6), (16, 4, 3), (32, 2, 2))
    for row in range(rows)
    for column in range(columns)
]

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Seen:
    """A box, the place in the head that gives it, and its score."""

    place: int  # into CELLS
    distances: tuple[float, float, float, float]  # of its sides from its cell's centre, in strides
    label: int
    score: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """xyxy in pixels."""
        column, row, stride = CELLS[self.place]
        x, y = (column + 0.5) * stride, (row + 0.5) * stride
        left, top, right, bottom = (distance * stride for distance in self.distances)
        return x - left, y - top, x + right, y + bottom

    @property
    def centre_and_size(self) -> tuple[float, float, float, float]:
        x1, y1, x2, y2 = self.box
        return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1


Batch = Sequence[Sequence[Seen]]


@dataclass(frozen=True)
class Head:
    """An output format and its way back."""

    name: str
    spec: Output
    encode: Callable[[Batch], Outputs]


def _rows(batch: Batch, row_of: Callable[[Seen], Sequence[float]], empty: list[float]) -> Outputs:
    raw = np.tile(np.array(empty, dtype=np.float32), (len(batch), len(CELLS), 1))
    for image, seen in enumerate(batch):
        for one in seen:
            raw[image, one.place] = row_of(one)
    return {"output0": raw}


def _classes(seen: Seen, best: float) -> list[float]:
    """The best one's score, and half of it for all others."""
    return [best if index == seen.label else best / 2 for index in range(CLASSES)]


def _with_objectness(place: Callable[[Seen], Sequence[float]]) -> Callable[[Batch], Outputs]:
    def row(seen: Seen) -> list[float]:
        half = math.sqrt(seen.score)
        return [*place(seen), half, *_classes(seen, half)]

    return lambda batch: _rows(batch, row, [0.0] * (5 + CLASSES))


def _on_grid(seen: Seen) -> list[float]:
    column, row, stride = CELLS[seen.place]
    x, y, width, height = seen.centre_and_size
    return [
        x / stride - column,
        y / stride - row,
        math.log(width / stride),
        math.log(height / stride),
    ]


def _yolov8(batch: Batch) -> Outputs:
    def row(seen: Seen) -> list[float]:
        return [*seen.centre_and_size, *_classes(seen, seen.score)]

    return _rows(batch, row, [0.0] * (4 + CLASSES))


def _yolov8_values_first(batch: Batch) -> Outputs:
    return {"output0": np.ascontiguousarray(_yolov8(batch)["output0"].transpose(0, 2, 1))}


def _yolov10(batch: Batch) -> Outputs:
    return _rows(batch, lambda seen: [*seen.box, seen.score, seen.label], [0.0] * 6)


def _detr(batch: Batch) -> Outputs:
    rows = _yolov10(batch)["output0"]
    return {"boxes": rows[..., :4], "scores": rows[..., 4], "labels": rows[..., 5]}


def _nanodet_rows(batch: Batch, shift: float) -> np.ndarray:
    """`shift`: of the point that distances count from, against the cell's centre, in strides."""

    def row(seen: Seen) -> list[float]:
        moved = [shift, shift, -shift, -shift]
        sides = [d + m for d, m in zip(seen.distances, moved, strict=True)]
        return [*_classes(seen, seen.score), *(v for side in sides for v in _distribution(side))]

    return _rows(batch, row, [0.0] * (CLASSES + 4 * BINS))["output0"]


def _distribution(mean: float) -> list[float]:
    """Logits, of any height, that share their weight between the two whole numbers around it."""
    weights = [max(0.0, 1 - abs(number - mean)) for number in range(BINS)]
    return [5 + (math.log(weight) if weight > 0 else -60) for weight in weights]


def _nanodet(batch: Batch) -> Outputs:
    rows = _nanodet_rows(batch, 0.0)
    outputs = {}
    for stride, part in zip((8, 16, 32), np.split(rows, [48, 60], axis=1), strict=True):
        outputs[f"cls{stride}"] = part[..., :CLASSES]
        outputs[f"dis{stride}"] = part[..., CLASSES:]
    return outputs


_SSD = Ssd(
    boxes="b",
    scores="s",
    background=False,
    # One square anchor of .5 per cell of 8 x 6, 4 x 3 and 2 x 2, and a second one of some size.
    anchors=SsdAnchors(strides=(8, 16, 32), min_scale=0.5, max_scale=0.5, aspect_ratios=(1.0,)),
)


def _ssd(batch: Batch) -> Outputs:
    boxes = np.zeros((len(batch), 2 * len(CELLS), 4), dtype=np.float32)
    scores = np.full((len(batch), 2 * len(CELLS), CLASSES), -20, dtype=np.float32)
    for image, seen in enumerate(batch):
        for one in seen:
            column, row, stride = CELLS[one.place]
            columns, rows = math.ceil(WIDTH / stride), math.ceil(HEIGHT / stride)
            x, y, width, height = one.centre_and_size
            boxes[image, 2 * one.place] = [
                10 * (y / HEIGHT - (row + 0.5) / rows) / 0.5,
                10 * (x / WIDTH - (column + 0.5) / columns) / 0.5,
                5 * math.log(height / HEIGHT / 0.5),
                5 * math.log(width / WIDTH / 0.5),
            ]
            scores[image, 2 * one.place, one.label] = math.log(one.score / (1 - one.score))
    return {"b": boxes, "s": scores}


HEADS = (
    Head("ssd", _SSD, _ssd),
    Head("detr", Detr(), _detr),
    Head("yolox", Yolox(output="output0"), _with_objectness(_on_grid)),
    Head(
        "yolox-decoded",
        Yolox(output="output0", decoded=True),
        _with_objectness(lambda seen: seen.centre_and_size),
    ),
    Head("yolov5", YoloV5(), _with_objectness(lambda seen: seen.centre_and_size)),
    Head("yolov8", YoloV8(), _yolov8_values_first),
    Head("yolov8-anchors-first", YoloV8(layout="anchors-first"), _yolov8),
    Head("yolov10", YoloV10(), _yolov10),
    Head(
        "nanodet",
        Nanodet(scores=("cls8", "cls16", "cls32"), distances=("dis8", "dis16", "dis32")),
        _nanodet,
    ),
    Head(
        "nanodet-plus",
        NanodetPlus(output="output0", strides=(8, 16, 32)),
        lambda batch: {"output0": _nanodet_rows(batch, -0.5)},
    ),
)
