"""From frames to a model's input tensor, as its manifest says."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inference_worker.backends.base import Tensor
from inference_worker.manifest import Input
from vision.boxes import Placement, letterboxed, stretched

Image = NDArray[np.uint8]


def told_sizes(spec: Input, count: int) -> Tensor:
    """What `Input.sizes` gets for `count` images: int64 (count, 2), the input's width and height.

    Boxes that are in pixels of this size are in pixels of the input, wherever the frame lies on it.
    """
    return np.tile(np.array([spec.width, spec.height], dtype=np.int64), (count, 1))


class Preprocessor:
    """Resize, colour order, mean and std, layout."""

    def __init__(self, spec: Input) -> None:
        self._spec = spec
        self._scale = (1.0 / np.array(spec.std, dtype=np.float64)).astype(np.float32)
        self._shift = (-np.array(spec.mean) / np.array(spec.std)).astype(np.float32)

    def __call__(self, images: Sequence[Image]) -> tuple[Tensor, list[Placement]]:
        """One tensor, (n, 3, h, w) or (n, h, w, 3), and where each frame lies on it.

        `images`: (height, width, 3) uint8, BGR, each of any size.
        """
        spec = self._spec
        tensor = np.empty((len(images), spec.height, spec.width, 3), dtype=np.float32)
        placements = []
        for image, target in zip(images, tensor, strict=True):
            resized, placement = self._resize(image)
            if spec.colour == "rgb":
                resized = cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)
            np.multiply(resized, self._scale, out=target)
            target += self._shift
            placements.append(placement)
        if spec.layout == "nchw":
            tensor = np.ascontiguousarray(tensor.transpose(0, 3, 1, 2))
        if spec.dtype == "uint8":
            tensor = np.clip(np.rint(tensor), 0, 255)
        return tensor.astype(spec.dtype, copy=False), placements

    def _resize(self, image: Image) -> tuple[cv2.typing.MatLike, Placement]:
        spec = self._spec
        if spec.letterbox is None:
            return cv2.resize(image, (spec.width, spec.height)), stretched(spec.width, spec.height)
        height, width = image.shape[:2]
        placement = letterboxed(width, height, spec.width, spec.height, spec.letterbox.anchor)
        canvas = np.full((spec.height, spec.width, 3), spec.letterbox.value, dtype=np.uint8)
        rows = slice(placement.top, placement.top + placement.height)
        columns = slice(placement.left, placement.left + placement.width)
        canvas[rows, columns] = cv2.resize(image, (placement.width, placement.height))
        return canvas, placement
