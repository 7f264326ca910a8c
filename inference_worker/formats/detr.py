"""Formats of the DETR family: each object once, so there is nothing to suppress."""

from __future__ import annotations

from typing import Literal

import msgspec

from inference_worker.formats.base import FirstClass, TensorName


class Detr(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="detr"):
    """Finished boxes of DEIM, D-FINE and RT-DETR: each object once, so no suppression.

    The boxes are in pixels of the size that the graph is told in `Input.sizes`.
    """

    labels: TensorName = "labels"  # tensor (batch, queries), from 0
    boxes: TensorName = "boxes"  # tensor (batch, queries, 4): xyxy, pixels
    scores: TensorName = "scores"  # tensor (batch, queries), 0..1


class DetrLogits(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="detr-logits"
):
    """DETR, YOLOS, RT-DETR, D-FINE, RF-DETR before their post-processor, as Transformers has them.

    Boxes are centre x, y, width, height in fractions of the picture.
    """

    logits: TensorName = "logits"  # tensor (batch, queries, classes)
    boxes: TensorName = "pred_boxes"  # tensor (batch, queries, 4)
    # softmax: one more class at the end, for "no object".
    activation: Literal["sigmoid", "softmax"] = "sigmoid"
    first_class: FirstClass = 0
    spare: Literal[0, 1] = 0  # numbers behind the labels' that are for nothing
