"""Annotated snapshots: boxes and labels drawn on a frame, and written as PNG."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import UserError
from schemas.messages import Box

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

# BGR, light enough for black text on them (Okabe and Ito's palette, safe for colour-blind eyes).
_PALETTE: tuple[Colour, ...] = (
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (0, 94, 213),
    (167, 121, 204),
)
_BLACK: Colour = (0, 0, 0)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def colour_of(label: str) -> Colour:
    """The label's colour (BGR), the same in every run."""
    return _PALETTE[zlib.crc32(label.encode()) % len(_PALETTE)]


def draw_boxes(image: Image, boxes: Sequence[Box]) -> Image:
    """A copy of `image` (height, width, 3; BGR) with each box, its label and score drawn on it.

    The best box is drawn last, so that it lies on top.
    """
    drawn = image.copy()
    # Lines and letters grow with the picture: 2 pixels and 13 pixels high at 600 pixels.
    size = min(image.shape[:2]) / 600
    for box in sorted(boxes, key=lambda box: box.score):
        _draw_box(drawn, box, max(1, round(2 * size)), max(0.35, 0.45 * size))
    return drawn


def _draw_box(image: Image, box: Box, line: int, text_scale: float) -> None:
    height, width = image.shape[:2]
    left, right = (min(width - 1, int(x * width)) for x in (box.x1, box.x2))
    top, bottom = (min(height - 1, int(y * height)) for y in (box.y1, box.y2))
    colour = colour_of(box.label)
    cv2.rectangle(image, (left, top), (right, bottom), colour, line)

    text = f"{box.label} {box.score:.2f}"
    stroke = max(1, line // 2)
    (text_width, text_height), below = cv2.getTextSize(text, _FONT, text_scale, stroke)
    # The label sits on the box; inside of it where the frame's upper edge leaves no room.
    base = top - below if top >= text_height + 2 * below else top + text_height + below
    start = max(0, min(left, width - text_width))
    cv2.rectangle(
        image, (start, base - text_height - below), (start + text_width, base + below), colour, -1
    )
    cv2.putText(image, text, (start, base), _FONT, text_scale, _BLACK, stroke, cv2.LINE_AA)


def write_png(path: Path, image: Image) -> None:
    """Write `image` (BGR) to `path`, whole or not at all.

    Raises UserError if it can't be written.
    """
    encoded, data = cv2.imencode(".png", image)
    if not encoded:
        raise ValueError(f"an image of shape {image.shape} can't be encoded as PNG")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data.tobytes())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            partial.unlink()
        raise UserError(f"{path}: can't be written: {error.strerror or error}") from error
