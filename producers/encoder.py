"""From a picture to the JPEG that travels: masks first, then the size, then the encoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from producers.mask import paint_masks
from producers.settings import Polygon
from producers.sources.base import Image, Picture, SourceError
from vision.jpeg import encode_bgr


@dataclass(frozen=True, slots=True)
class Encoded:
    """`width` and `height` are those of the JPEG itself, in pixels."""

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Encoder:
    """`quality`: 1 to 100. `longest_side`: larger pictures are shrunk to it, in their own shape."""

    quality: int = 85
    longest_side: int | None = None
    masks: Sequence[Polygon] = ()

    def encode(self, picture: Picture) -> Encoded:
        """The camera's own JPEG, byte for byte, where nothing asks for another one.

        Raises SourceError('undecodable') where the picture can't be had or not be encoded.
        """
        width, height = self._size_of(picture)
        untouched = not self.masks and (width, height) == (picture.width, picture.height)
        if picture.jpeg is not None and untouched:
            return Encoded(picture.jpeg, width, height)
        image = picture.pixels()
        paint_masks(image, self.masks)
        if (width, height) != (picture.width, picture.height):
            smaller = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            image = np.asarray(smaller, dtype=np.uint8)
        return Encoded(self._to_jpeg(image), width, height)

    def _size_of(self, picture: Picture) -> tuple[int, int]:
        width, height = picture.width, picture.height
        if self.longest_side is None or max(width, height) <= self.longest_side:
            return width, height
        factor = self.longest_side / max(width, height)
        return max(1, round(width * factor)), max(1, round(height * factor))

    def _to_jpeg(self, image: Image) -> bytes:
        try:
            return encode_bgr(image, self.quality)
        except (cv2.error, ValueError) as error:
            height, width = image.shape[:2]
            raise SourceError("undecodable", f"no JPEG can hold {width}x{height} px") from error
