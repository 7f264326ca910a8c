"""Boxes that the graph has decoded, and perhaps suppressed."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from inference_worker.formats.base import FirstClass, TensorName, Units

Column = Literal["image", "x1", "y1", "x2", "y2", "score", "class"]
_NEEDED = {"x1", "y1", "x2", "y2", "score", "class"}


class YoloV10(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="yolov10"
):
    """YOLOv10, YOLO26 and other graphs that end with one row per object, so no suppression.

    One tensor (batch, rows, 6): x1, y1, x2, y2 score, class.
    """

    output: TensorName = "output0"
    units: Units = "pixels"


class Rows(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="rows"):
    """Suppressed by the graph, one row per object with its columns in another order.

    One tensor (batch, rows, columns), or (rows, columns) for a batch of 1. YOLOv7's `--end2end`
    for ONNX Runtime, YOLO-NAS (flat), PaddleDetection.
    """

    output: TensorName
    columns: Annotated[tuple[Column, ...], Meta(min_length=6)]
    units: Units = "pixels"
    first_class: FirstClass = 0

    def __post_init__(self) -> None:
        if len(set(self.columns)) != len(self.columns) or not set(self.columns) >= _NEEDED:
            raise ValueError("`columns` must have x1, y1, x2, y2, score and class, each once")


class Finished(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="finished"
):
    """Suppressed by the graph, with boxes, scores and classes in outputs of their own.

    TensorFlow's Object Detection API, MMDetection, TensorRT's EfficientNMS, torchvision.
    """

    boxes: TensorName  # tensor (batch, n, 4); (batch, n, 5) where the score is in it
    classes: TensorName  # tensor (batch, n)
    scores: TensorName | None = None  # tensor (batch, n), 0..1; None: behind each box
    count: TensorName | None = None  # tensor (batch,) or (batch, 1): so many hold, the rest is none
    order: Literal["xyxy", "yxyx"] = "xyxy"
    units: Units = "pixels"
    first_class: FirstClass = 0


class BoxesScores(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="boxes-scores"
):
    """Decoded by the graph and still to be suppressed: all places' boxes, and their scores apart.

    Ultra-Light face detectors and pytorch-ssd, YOLO-NAS, DAMO-YOLO, PP-YOLOE, YOLOv4 of PyTorch.
    """

    boxes: TensorName  # tensor (batch, n, 4) or (batch, n, 1, 4)
    scores: TensorName  # tensor (batch, n, classes), 0..1
    order: Literal["xyxy", "cxcywh"] = "xyxy"
    units: Units = "pixels"
    # Tensor (batch, n, classes), or (batch, classes, n).
    layout: Literal["places-first", "classes-first"] = "places-first"
    background: bool = False  # class 0 is "nothing", labels begin at class 1
