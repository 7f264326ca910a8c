"""Heads that code boxes against anchors."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from inference_worker.formats.base import Positive, Score, Strides, TensorName

Side = Annotated[float, Meta(gt=0.0)]


class SsdAnchors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Anchors of an SSD head, see `decoders/ssd.py`."""

    strides: Annotated[tuple[Positive, ...], Meta(min_length=2)]
    min_scale: Score
    max_scale: Score
    aspect_ratios: Annotated[tuple[float, ...], Meta(min_length=1)]
    # The lowest layer has three anchors only, one of them of this scale; None: like the others.
    lowest_scale: Score | None = None

    def __post_init__(self) -> None:
        if any(value <= 0 for value in self.aspect_ratios):
            raise ValueError("`aspect_ratios` must be above 0")


class Ssd(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="ssd"):
    """Raw SSD heads: box offsets against anchors, class scores."""

    boxes: str  # tensor (batch, anchors, 4): y x height width, against the anchor
    scores: str  # tensor (batch, anchors, classes)
    anchors: SsdAnchors
    box_scales: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    background: bool = True  # class 0 is "nothing", labels begin at class 1
    activated: bool = False  # whether the graph has done the sigmoid

    def __post_init__(self) -> None:
        if any(value <= 0 for value in self.box_scales):
            raise ValueError("`box_scales` must be above 0")


class YoloAnchors(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="yolo-anchors"
):
    """YOLOv3, v5, v7 and Yolo-FastestV2 as their last convolutions leave them: a tensor per stride.

    Of each cell and anchor x, y, width, height, objectness and classes; see `decoders/anchors.py`.
    """

    outputs: Annotated[tuple[TensorName, ...], Meta(min_length=1)]  # in the order of `strides`
    strides: Strides
    # Of each stride the widths and heights of its anchors in pixels: width, height, width …
    anchors: Annotated[tuple[tuple[Side, ...], ...], Meta(min_length=1)]
    # Tensor (batch, anchors, rows, columns, values), (batch, anchors * values, rows, columns)
    # or (batch, rows, columns, anchors * values); joined: one output for all strides, in their
    # order, (batch, anchors * rows * columns, values) of the first kind.
    layout: Literal["anchors-first", "values-first", "values-last", "joined"] = "anchors-first"
    # v5, v7: centre 2 s - 0.5, side 4 s² anchors, s after the sigmoid; v3: centre s, side exp.
    coding: Literal["yolov5", "yolov3"] = "yolov5"
    activated: bool = False  # whether the graph has done the sigmoid
    # Whether a cell's classes are for all of its anchors, behind all boxes and all objectnesses.
    shared_classes: bool = False

    def __post_init__(self) -> None:
        outputs = 1 if self.layout == "joined" else len(self.strides)
        if (len(self.outputs), len(self.anchors)) != (outputs, len(self.strides)):
            raise ValueError("`outputs`, `strides` and `anchors` must be equally many")
        if len({len(sides) for sides in self.anchors}) != 1 or len(self.anchors[0]) % 2:
            raise ValueError("`anchors` must have the same number of widths and heights per stride")
        if self.shared_classes and self.layout != "values-last":
            raise ValueError("`shared_classes` is known with `layout: values-last` only")
        if self.coding == "yolov3" and self.activated:
            raise ValueError("`activated` is known with `coding: yolov5` only")

    @property
    def per_cell(self) -> int:
        """How many anchors a cell has."""
        return len(self.anchors[0]) // 2

    def cells(self, width: int, height: int) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each stride's grid over an input of this size in pixels."""
        return tuple((math.ceil(height / one), math.ceil(width / one)) for one in self.strides)
