"""Raw SSD heads: boxes coded against anchors, class scores.

Anchors and box coding: Liu et al., "SSD: Single Shot MultiBox Detector" (2016), section 2.2, with
the order of anchors and the interpolated anchor of TensorFlow's Object Detection API.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from inference_worker.decoders.base import (
    Candidates,
    by_image,
    logit,
    output_of,
    sigmoid,
)
from inference_worker.formats import Ssd, SsdAnchors


def make_anchors(spec: SsdAnchors, width: int, height: int) -> NDArray[np.float32]:
    """All anchors of an input of `width` x `height` pixels: (n, 4), centre y, centre x, h, w.

    In fractions of the input. Ordered by layer, then row, column and shape. The layers' scales lie
    evenly between `min_scale` and `max_scale`; each cell has one anchor per aspect ratio and a
    square one of the geometric mean of its layer's scale and the next.
    """
    layers = len(spec.strides)
    step = (spec.max_scale - spec.min_scale) / (layers - 1)
    scales = [spec.min_scale + step * layer for layer in range(layers)] + [1.0]
    grids = []
    for layer, stride in enumerate(spec.strides):
        shapes = _shapes(spec, layer, scales[layer], scales[layer + 1])
        grids.append(_grid(math.ceil(width / stride), math.ceil(height / stride), shapes))
    return np.concatenate(grids).astype(np.float32)


def _shapes(spec: SsdAnchors, layer: int, scale: float, next_scale: float) -> list[list[float]]:
    """Height and width of the anchors of each cell of a layer."""
    if layer == 0 and spec.lowest_scale is not None:
        sized = [(spec.lowest_scale, 1.0), (scale, 2.0), (scale, 0.5)]
    else:
        sized = [(scale, ratio) for ratio in spec.aspect_ratios]
        sized.append((math.sqrt(scale * next_scale), 1.0))
    return [[size / math.sqrt(ratio), size * math.sqrt(ratio)] for size, ratio in sized]


def _grid(columns: int, rows: int, shapes: list[list[float]]) -> NDArray[np.float64]:
    """Each shape at the centre of each cell: (rows * columns * shapes, 4)."""
    anchors = np.empty((rows, columns, len(shapes), 4))
    anchors[..., 0] = ((np.arange(rows) + 0.5) / rows)[:, None, None]
    anchors[..., 1] = ((np.arange(columns) + 0.5) / columns)[None, :, None]
    anchors[..., 2:] = shapes
    return anchors.reshape(-1, 4)


class SsdDecoder:
    """Decodes the anchors whose best class is above the floor, of all images at once."""

    def __init__(self, spec: Ssd, labels: int, width: int, height: int) -> None:
        """`labels`: how many classes there are without the background; input size in pixels."""
        self._spec = spec
        self._anchors = make_anchors(spec.anchors, width, height)
        self._first = 1 if spec.background else 0
        self._classes = labels + self._first
        self._box_scales = np.array(spec.box_scales, dtype=np.float32)

    def decode(
        self, outputs: Mapping[str, NDArray[np.float32]], score_floor: float
    ) -> list[Candidates]:
        """See `Decoder.decode`. Each anchor counts for its best class only."""
        encodings = output_of(outputs, self._spec.boxes, len(self._anchors), 4)
        raw = output_of(outputs, self._spec.scores, len(self._anchors), self._classes)
        logits = raw[..., self._first :]
        # The floor in logits: the sigmoid is then due for the few anchors that pass, not for all.
        best = logits.max(axis=2)
        done = self._spec.activated
        image, anchor = np.nonzero(best > (score_floor if done else logit(score_floor)))
        boxes = self._decode_boxes(encodings[image, anchor], self._anchors[anchor])
        scores = best[image, anchor] if done else sigmoid(best[image, anchor])
        classes = logits[image, anchor].argmax(axis=1)
        return by_image(len(encodings), image, boxes, scores, classes)

    def _decode_boxes(
        self, encodings: NDArray[np.float32], anchors: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        scaled = encodings / self._box_scales
        centre = scaled[:, :2] * anchors[:, 2:] + anchors[:, :2]
        with np.errstate(over="ignore"):  # an endless box is clipped to the frame later
            half = np.exp(scaled[:, 2:]) * anchors[:, 2:] / 2
        y_x_y_x = np.concatenate([centre - half, centre + half], axis=1)
        return y_x_y_x[:, [1, 0, 3, 2]]
