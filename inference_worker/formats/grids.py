"""Heads with a row of numbers per place and no anchors, or with the anchors put in by the graph."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from inference_worker.formats.base import Strides, TensorName, Units


class Yolox(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="yolox"
):
    """YOLOX without anchors: one tensor (batch, cells, 5 + classes).

    Of each cell x, y, width, height, objectness, classes; the last two after the sigmoid.
    """

    output: TensorName = "output"
    strides: Strides = (8, 16, 32)  # in the order of the cells
    # Whether the graph has put the boxes on the grid: centre and size are in pixels then.
    decoded: bool = False


class YoloV5(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="yolov5"
):
    """YOLOv5 and v7, put on the grid by the graph: one tensor (batch, anchors, 5 + classes).

    Of each anchor centre x, y, width, height, objectness, classes. YOLOv6 has this form too, with
    one place per cell and an objectness of 1.
    """

    output: TensorName = "output0"
    units: Units = "pixels"


class YoloV8(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="yolov8"
):
    """YOLOv8, v9, v11, v12: centre x, y, width, height, classes."""

    output: TensorName = "output0"
    # Tensor (batch, 4 + classes, anchors), or (batch, anchors, 4 + classes).
    layout: Literal["values-first", "anchors-first"] = "values-first"
    units: Units = "pixels"


class Nanodet(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="nanodet"
):
    """NanoDet: per stride a tensor of scores and one of distances to the four sides of the box.

    A distance is a distribution over `bins` whole numbers of strides, before the softmax.
    """

    scores: Annotated[tuple[TensorName, ...], Meta(min_length=1)]  # (batch, cells, classes), 0..1
    distances: Annotated[tuple[TensorName, ...], Meta(min_length=1)]  # (batch, cells, 4 * bins)
    strides: Strides = (8, 16, 32)
    bins: Annotated[int, Meta(ge=2, le=256)] = 8
    centre: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.5  # of a cell, from which distances count

    def __post_init__(self) -> None:
        if not len(self.scores) == len(self.distances) == len(self.strides):
            raise ValueError("`scores`, `distances` and `strides` must be equally many")


class NanodetPlus(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="nanodet-plus"
):
    """NanoDet-Plus: the same in one tensor (batch, cells, classes + 4 * bins)."""

    output: TensorName = "output"
    strides: Strides = (8, 16, 32, 64)
    bins: Annotated[int, Meta(ge=2, le=256)] = 8
    centre: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0


class FastestDet(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="fastestdet"
):
    """FastestDet: one map (batch, 5 + classes, rows, columns).

    Of each cell objectness, x and y before the tanh, width and height before the sigmoid, classes;
    objectness and classes lie within 0 and 1.
    """

    output: TensorName = "output"
    stride: Annotated[int, Meta(ge=1)] = 16
