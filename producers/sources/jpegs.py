"""A camera's own JPEG as a picture, to be passed on as it is."""

from __future__ import annotations

from functools import partial

from producers.sources.base import Picture
from vision.jpeg import decode_bgr, decode_luma, inspect


def jpeg_picture(data: bytes) -> Picture:
    """Raises BadJpeg. A tiny picture passes: the line tells its own reason for rejecting it."""
    header = inspect(data, min_side_px=1)
    luma = decode_luma(data, header)  # reads all of the data, at a fraction of a full decode's cost
    return Picture(header.width, header.height, partial(decode_bgr, data, header), data, luma)
