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
    BoxesScores,
    Detr,
    DetrLogits,
    Finished,
    Nanodet,
    NanodetPlus,
    Output,
    Rows,
    Ssd,
    SsdAnchors,
    YoloAnchors,
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


def _rows_in_order(batch: Batch) -> Outputs:
    """PaddleDetection's: class, score, box; -1 where there is none."""
    return _rows(batch, lambda seen: [seen.label, seen.score, *seen.box], [-1.0] * 6)


def _tensorflow(batch: Batch) -> Outputs:
    rows = _yolov10(batch)["output0"]
    y_x_y_x = rows[..., [1, 0, 3, 2]] / [HEIGHT, WIDTH, HEIGHT, WIDTH]
    return {
        "detection_boxes": y_x_y_x.astype(np.float32),
        "detection_scores": rows[..., 4],
        "detection_classes": rows[..., 5] + 1,
        "num_detections": np.full(len(batch), len(CELLS), dtype=np.float32),
    }


def _mmdetection(batch: Batch) -> Outputs:
    rows = _yolov10(batch)["output0"]
    return {"dets": rows[..., :5], "labels": rows[..., 5]}


def _efficient_nms(batch: Batch) -> Outputs:
    """The objects first, then what is left of an earlier call: only the count tells them apart."""
    boxes = np.tile(np.array([1, 1, 9, 9], dtype=np.float32), (len(batch), len(CELLS), 1))
    scores = np.full((len(batch), len(CELLS)), 0.95, dtype=np.float32)
    classes = np.zeros((len(batch), len(CELLS)), dtype=np.float32)
    for image, seen in enumerate(batch):
        for place, one in enumerate(seen):
            boxes[image, place], scores[image, place] = one.box, one.score
            classes[image, place] = one.label
    counts = np.array([[len(seen)] for seen in batch], dtype=np.float32)
    return {"num_dets": counts, "det_boxes": boxes, "det_scores": scores, "det_classes": classes}


def _boxes_scores(batch: Batch) -> Outputs:
    """Fractions, and a background that takes what the others leave."""
    rows = _yolov8(batch)["output0"]
    boxes = np.zeros((len(batch), len(CELLS), 4), dtype=np.float32)
    for image, seen in enumerate(batch):
        for one in seen:
            boxes[image, one.place] = np.array(one.box) / [WIDTH, HEIGHT, WIDTH, HEIGHT]
    scores = rows[..., 4:]
    return {
        "boxes": boxes,
        "scores": np.concatenate([1 - scores.max(axis=2, keepdims=True), scores], axis=2),
    }


def _classes_first(batch: Batch) -> Outputs:
    rows = _yolov8(batch)["output0"]
    scores = np.ascontiguousarray(rows[..., 4:].transpose(0, 2, 1))
    return {"boxes": rows[:, :, None, :4], "scores": scores}


def _queries(
    batch: Batch, logits_of: Callable[[Seen], Sequence[float]], empty: list[float]
) -> Outputs:
    logits = np.tile(np.array(empty, dtype=np.float32), (len(batch), len(CELLS), 1))
    boxes = np.full((len(batch), len(CELLS), 4), 0.5, dtype=np.float32)
    for image, seen in enumerate(batch):
        for one in seen:
            sizes = [WIDTH, HEIGHT, WIDTH, HEIGHT]
            boxes[image, one.place] = np.array(one.centre_and_size) / sizes
            logits[image, one.place] = logits_of(one)
    return {"logits": logits, "pred_boxes": boxes}


def _sigmoid_queries(batch: Batch) -> Outputs:
    def logits(seen: Seen) -> list[float]:
        return [math.log(score / (1 - score)) for score in _classes(seen, seen.score)]

    return _queries(batch, logits, [-20.0] * CLASSES)


def _with_a_spare_number(batch: Batch) -> Outputs:
    """RF-DETR's, of which the last number is for nothing, whatever it says."""
    outputs = _sigmoid_queries(batch)
    spare = np.full((len(batch), len(CELLS), 1), 5.0, dtype=np.float32)
    return outputs | {"logits": np.concatenate([outputs["logits"], spare], axis=2)}


def _softmax_queries(batch: Batch) -> Outputs:
    """One class, and "no object" for the rest; all logits are 3 higher, which is of no matter."""

    def logits(seen: Seen) -> list[float]:
        other = (1 - seen.score) / 1000
        shares = [seen.score if index == seen.label else other for index in range(CLASSES)]
        return [3 + math.log(share) for share in (*shares, 1 - sum(shares))]

    return _queries(batch, logits, [-20.0] * CLASSES + [0.0])


# Two anchors per cell, the second one of no use here.
_SIDES = tuple((16.0 * scale, 12.0 * scale, 3.0, 5.0) for scale in (1, 2, 4))


def _after_sigmoid(seen: Seen, head: int) -> list[float]:
    column, row, stride = CELLS[seen.place]
    x, y, width, height = seen.centre_and_size
    wide, high, *_ = _SIDES[head]
    half = math.sqrt(seen.score)
    return [
        (x / stride - column + 0.5) / 2,
        (y / stride - row + 0.5) / 2,
        math.sqrt(width / wide) / 2,
        math.sqrt(height / high) / 2,
        half,
        *_classes(seen, half),
    ]


def _anchor_heads(batch: Batch) -> list[np.ndarray]:
    """Per stride (batch, anchors, rows, columns, 5 + classes)."""
    heads = [
        np.zeros((len(batch), 2, rows, columns, 5 + CLASSES), dtype=np.float32)
        for rows, columns in ((6, 8), (3, 4), (2, 2))
    ]
    for image, seen in enumerate(batch):
        for one in seen:
            column, row, stride = CELLS[one.place]
            head = (8, 16, 32).index(stride)
            heads[head][image, 0, row, column] = _after_sigmoid(one, head)
    return heads


def _named(heads: Sequence[np.ndarray]) -> Outputs:
    return {f"p{stride}": array for stride, array in zip((8, 16, 32), heads, strict=True)}


def _anchors_first(batch: Batch) -> Outputs:
    return _named(_anchor_heads(batch))


def _anchors_values_first(batch: Batch) -> Outputs:
    heads = [head.transpose(0, 1, 4, 2, 3) for head in _anchor_heads(batch)]
    return _named([head.reshape(len(head), -1, *head.shape[3:]) for head in heads])


def _anchors_values_last(batch: Batch) -> Outputs:
    heads = [head.transpose(0, 2, 3, 1, 4) for head in _anchor_heads(batch)]
    return _named([head.reshape(*head.shape[:3], -1) for head in heads])


def _anchors_shared(batch: Batch) -> Outputs:
    parts = []
    for head in _anchor_heads(batch):
        first = head.transpose(0, 2, 3, 1, 4)  # (batch, rows, columns, anchors, values)
        boxes = first[..., :4].reshape(*first.shape[:3], -1)
        parts.append(np.concatenate([boxes, first[..., 4], first[..., 0, 5:]], axis=3))
    return _named(parts)


def _anchors(layout: str, *, shared: bool = False) -> YoloAnchors:
    return YoloAnchors(
        ("p8", "p16", "p32"),
        (8, 16, 32),
        _SIDES,
        layout=layout,  # type: ignore[arg-type] # one of its words
        activated=True,
        shared_classes=shared,
    )


_PADDLE = ("class", "score", "x1", "y1", "x2", "y2")
HEADS = (
    Head("rows", Rows("output0", _PADDLE), _rows_in_order),
    Head(
        "tensorflow",
        Finished(
            boxes="detection_boxes",
            classes="detection_classes",
            scores="detection_scores",
            count="num_detections",
            order="yxyx",
            units="fractions",
            first_class=1,
        ),
        _tensorflow,
    ),
    Head("scored-boxes", Finished(boxes="dets", classes="labels"), _mmdetection),
    Head(
        "efficient-nms",
        Finished("det_boxes", "det_classes", "det_scores", "num_dets"),
        _efficient_nms,
    ),
    Head(
        "boxes-scores",
        BoxesScores("boxes", "scores", units="fractions", background=True),
        _boxes_scores,
    ),
    Head(
        "boxes-scores-classes-first",
        BoxesScores("boxes", "scores", order="cxcywh", layout="classes-first"),
        _classes_first,
    ),
    Head("detr-sigmoid", DetrLogits(), _sigmoid_queries),
    Head("detr-sigmoid-spare", DetrLogits(spare=1), _with_a_spare_number),
    Head("detr-softmax", DetrLogits(activation="softmax"), _softmax_queries),
    Head("anchors-first", _anchors("anchors-first"), _anchors_first),
    Head("anchors-values-first", _anchors("values-first"), _anchors_values_first),
    Head("anchors-values-last", _anchors("values-last"), _anchors_values_last),
    Head("anchors-shared", _anchors("values-last", shared=True), _anchors_shared),
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
