"""Small clips whose every frame carries its own number, written and read without the product."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Image = NDArray[np.uint8]

WIDTH, HEIGHT = 160, 96
CELL = 16  # px: squares that survive any lossy codec
BITS = 10


def numbered(number: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """A grey picture with `number` in binary, as white and black squares in its top row."""
    image = np.full((height, width, 3), 110, dtype=np.uint8)
    image[CELL:, :, 1] = np.linspace(60, 180, width, dtype=np.uint8)
    for bit in range(BITS):
        image[:CELL, bit * CELL : (bit + 1) * CELL] = 255 if number >> bit & 1 else 0
    return image


def number_in(image: Image) -> int:
    """The number that a picture carries."""
    middle = CELL // 2
    return sum(1 << bit for bit in range(BITS) if image[middle, bit * CELL + middle].mean() > 127)


def write_clip(
    path: Path,
    stamps: Sequence[int],
    time_base: Fraction,
    codec: str = "mpeg4",
    *,
    b_frames: int = 0,
    gop: int = 12,
    fixed_gop: bool = False,
    intra_refresh: bool = False,
    created: str | None = None,
    first: int = 0,
) -> Path:
    """A clip with frame i at stamps[i] * time_base seconds, showing the number `first` + i.

    `fixed_gop`: a key frame every `gop` frames and nowhere else, closed groups, as cameras do it.
    `intra_refresh`: of libx264, no key frame but the first: a part of each picture is coded anew.
    """
    options = {"bf": str(b_frames), "g": str(gop)} if codec != "mjpeg" else {}
    if fixed_gop and codec == "libx264":
        options |= {"x264-params": "scenecut=0:open-gop=0:log-level=none"}
    if intra_refresh:
        options |= {"x264-params": f"intra-refresh=1:keyint={gop}:log-level=none"}
    if codec == "libx265":
        options = {
            "x265-params": f"keyint={gop}:min-keyint={gop}:bframes={b_frames}:scenecut=0"
            ":open-gop=0:log-level=none:pools=1:frame-threads=1"
        }
    if fixed_gop and codec == "mpeg4":
        options |= {"sc_threshold": "1000000000"}
    with av.open(str(path), "w") as container:
        if created is not None:
            container.metadata["creation_time"] = created
        stream = container.add_stream(codec, rate=round(1 / time_base), options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = time_base
        for number, stamp in enumerate(stamps, first):
            frame = av.VideoFrame.from_ndarray(numbered(number), "bgr24")
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def avi_pictures(data: bytes) -> Iterator[tuple[int, int]]:
    """(offset, size) of each picture's bytes in an AVI file, by walking its chunks."""
    movie = data.index(b"movi")
    at = movie + 4
    end = movie + struct.unpack_from("<I", data, movie - 4)[0]
    while at + 8 <= end:
        name, size = struct.unpack_from("<4sI", data, at)
        if name == b"00dc":
            yield at + 8, size
        at += 8 + size + size % 2


def spoil_picture(path: Path, number: int) -> None:
    """Overwrite one picture of an AVI file with zeros."""
    data = bytearray(path.read_bytes())
    offset, size = list(avi_pictures(bytes(data)))[number]
    data[offset : offset + size] = bytes(size)
    path.write_bytes(data)
