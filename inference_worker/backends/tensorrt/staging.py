"""Frames on their way to the GPU: one run of bytes for a batch, as `letterbox.cu` reads it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference_worker.backends.base import Pictures

# `Frame` of letterbox.cu: where its pixels start, its size, the rectangle of the input it fills.
FRAME: Final = np.dtype(
    [
        ("offset", np.uint64),
        *((name, np.int32) for name in ("width", "height")),
        *((name, np.int32) for name in ("left", "top", "placed_width", "placed_height")),
    ]
)
LARGEST_SIDE: Final = 2**18  # of a frame; the kernel reckons with 32 bits
_ALIGNED: Final = 128  # bytes: a frame starts where a line of the GPU's cache does


def staging_bytes(pictures: Pictures) -> int:
    """What `stage` writes of them."""
    return sum(map(_aligned, _sizes(pictures)))


def stage(pictures: Pictures, buffer: NDArray[np.uint8]) -> int:
    """Write descriptors and pixels; returns the bytes used.

    `buffer`: (n,) uint8, where the GPU's driver copies from. Raises ValueError for frames that
    don't fit into it or have a side of more than `LARGEST_SIDE`.
    """
    first, *sizes = _sizes(pictures)
    needed = staging_bytes(pictures)
    if needed > buffer.size:
        raise ValueError(f"{needed} bytes of frames don't fit into {buffer.size}")
    offset = _aligned(first)
    frames = []
    for image, place, size in zip(pictures.images, pictures.placements, sizes, strict=True):
        height, width = image.shape[:2]
        if max(height, width) > LARGEST_SIDE:
            raise ValueError(f"a frame of {width}x{height} has a side above {LARGEST_SIDE}")
        frames.append((offset, width, height, place.left, place.top, place.width, place.height))
        buffer[offset : offset + size] = image.reshape(-1)
        offset += _aligned(size)
    buffer[:first] = np.array(frames, FRAME).view(np.uint8)
    return needed


def _sizes(pictures: Pictures) -> list[int]:
    """Bytes of the descriptors, then of each frame."""
    return [FRAME.itemsize * len(pictures.images), *(image.size for image in pictures.images)]


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
