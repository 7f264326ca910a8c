"""Output formats of detectors, as a manifest names them: each with the settings of its decoder.

Sizes of tensors are given with the batch first; a batch of 1 that a graph squeezes away is put
back by the backends. Each format's decoder is in `decoders/`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
Score = Annotated[float, Meta(gt=0.0, lt=1.0)]
TensorName = Annotated[str, Meta(min_length=1)]
Strides = Annotated[tuple[Positive, ...], Meta(min_length=1)]


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
    """Raw SSD heads: box offsets against anchors, class scores before the sigmoid."""

    boxes: str  # tensor (batch, anchors, 4): y x height width, against the anchor
    scores: str  # tensor (batch, anchors, classes)
    anchors: SsdAnchors
    box_scales: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    background: bool = True  # class 0 is "nothing", labels begin at class 1

    def __post_init__(self) -> None:
        if any(value <= 0 for value in self.box_scales):
            raise ValueError("`box_scales` must be above 0")


class Detr(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="detr"):
    """Finished boxes of DEIM, D-FINE and RT-DETR: each object once, so no suppression.

    The boxes are in pixels of the size that the graph is told in `Input.sizes`.
    """

    labels: TensorName = "labels"  # tensor (batch, queries), from 0
    boxes: TensorName = "boxes"  # tensor (batch, queries, 4): xyxy, pixels
    scores: TensorName = "scores"  # tensor (batch, queries), 0..1


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

    Of each anchor centre x, y, width, height in pixels of the input, objectness, classes.
    """

    output: TensorName = "output0"


class YoloV8(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="yolov8"
):
    """YOLOv8, v9, v11, v12: centre x, y, width, height in pixels of the input, classes."""

    output: TensorName = "output0"
    # Tensor (batch, 4 + classes, anchors), or (batch, anchors, 4 + classes).
    layout: Literal["values-first", "anchors-first"] = "values-first"


class YoloV10(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="yolov10"
):
    """YOLOv10, YOLO26 and other graphs that end with one row per object, so no suppression.

    One tensor (batch, rows, 6): x1, y1, x2, y2 in pixels of the input, score, class.
    """

    output: TensorName = "output0"


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


# Each object comes out once: there is nothing to suppress.
WithoutNms = Detr | YoloV10
Output = Ssd | Detr | Yolox | YoloV5 | YoloV8 | YoloV10 | Nanodet | NanodetPlus
