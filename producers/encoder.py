"""From a picture to the JPEG that travels: masks first, then the size, then the encoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from producers.mask import MaskStyle, paint_masks
from producers.settings import Polygon
from producers.sources.base import Image, Picture, SourceError
from vision.jpeg import Luma, encode_bgr
from vision.signature import encode_signature, luma_of

# Below this a detector sees the code's own blocks; a smaller picture serves it better.
COARSEST = 30
_MOST_SHRINKS = 12  # to 3 % of a side: from there any budget that the settings allow is kept


@dataclass(frozen=True, slots=True)
class Encoded:
    """`width` and `height` are those of the JPEG itself, in pixels.

    `signature`: of its luma, as `vision.signature` packs it, if one was asked for.
    """

    jpeg: bytes
    width: int
    height: int
    signature: bytes | None = None


class Prepared:
    """A picture masked and in its size, in pixels, before it is coded.

    `jpeg`: the camera's own, where that is what goes. `luma`: what the gate looks at.
    """

    def __init__(
        self,
        width: int,
        height: int,
        pixels: Callable[[], Image],
        jpeg: bytes | None = None,
        luma: Luma | None = None,
    ) -> None:
        self.width = width
        self.height = height
        self.pixels = pixels
        self.jpeg = jpeg
        self._luma = luma

    @property
    def luma(self) -> Luma:
        """Made when it is first asked for. Raises SourceError."""
        if self._luma is None:
            self._luma = luma_of(self.pixels())
        return self._luma


@dataclass(frozen=True, slots=True)
class Encoder:
    """`quality`: 1 to 100. `longest_side`: larger pictures are shrunk to it, in their own shape.

    `max_bytes`: of a JPEG. What would be larger is coded more coarsely, and made smaller where that
    is not enough. `signed`: with a signature, of what is in the JPEG: masked, and of its size.
    """

    quality: int = 85
    longest_side: int | None = None
    masks: Sequence[Polygon] = ()
    mask_style: MaskStyle = "black"
    max_bytes: int | None = None
    signed: bool = False

    def encode(self, picture: Picture) -> Encoded:
        """The camera's own JPEG, byte for byte, where nothing asks for another one.

        The same picture gives the same bytes.

        Raises SourceError('undecodable') where the picture can't be had or not be encoded.
        """
        return self.finish(self.prepare(picture))

    def prepare(self, picture: Picture) -> Prepared:
        """The picture as it is to be sent. Raises SourceError where it can't be had."""
        width, height = self._size_of(picture)
        untouched = not self.masks and (width, height) == (picture.width, picture.height)
        if picture.jpeg is not None and untouched and self._fits(picture.jpeg):
            return Prepared(width, height, picture.pixels, picture.jpeg, picture.luma)
        image = picture.pixels()
        paint_masks(image, self.masks, self.mask_style)
        image = _resized(image, width, height)
        return Prepared(width, height, lambda: image)

    def finish(self, prepared: Prepared) -> Encoded:
        """What is sent of it. Raises SourceError where no JPEG can hold it."""
        width, height = prepared.width, prepared.height
        if prepared.jpeg is not None:
            signature = encode_signature(prepared.luma) if self.signed else None
            return Encoded(prepared.jpeg, width, height, signature)
        image = prepared.pixels()
        for _ in range(_MOST_SHRINKS):
            jpeg = self._within_budget(image)
            if self._fits(jpeg):
                break
            height, width = image.shape[:2]
            image = _resized(image, max(1, width * 3 // 4), max(1, height * 3 // 4))
        height, width = image.shape[:2]
        whole = (width, height) == (prepared.width, prepared.height)
        signature = None
        if self.signed:
            signature = encode_signature(prepared.luma if whole else luma_of(image))
        return Encoded(jpeg, width, height, signature)

    def _fits(self, jpeg: bytes) -> bool:
        return self.max_bytes is None or len(jpeg) <= self.max_bytes

    def _within_budget(self, image: Image) -> bytes:
        """At the best quality that fits, else at the coarsest."""
        jpeg = self._to_jpeg(image, self.quality)
        if self._fits(jpeg):
            return jpeg
        low, high = min(COARSEST, self.quality), self.quality
        best = self._to_jpeg(image, low)
        while high - low > 1 and self._fits(best):
            middle = (low + high) // 2
            jpeg = self._to_jpeg(image, middle)
            if self._fits(jpeg):
                low, best = middle, jpeg
            else:
                high = middle
        return best

    def _size_of(self, picture: Picture) -> tuple[int, int]:
        width, height = picture.width, picture.height
        if self.longest_side is None or max(width, height) <= self.longest_side:
            return width, height
        factor = self.longest_side / max(width, height)
        return max(1, round(width * factor)), max(1, round(height * factor))

    def _to_jpeg(self, image: Image, quality: int) -> bytes:
        try:
            return encode_bgr(image, quality)
        except (cv2.error, ValueError) as error:
            height, width = image.shape[:2]
            raise SourceError("undecodable", f"no JPEG can hold {width}x{height} px") from error


def _resized(image: Image, width: int, height: int) -> Image:
    if image.shape[:2] == (height, width):
        return image
    smaller = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, dtype=np.uint8)
