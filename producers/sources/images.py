"""A folder of pictures, sorted by name, one per interval."""

from __future__ import annotations

import hashlib
import struct
from functools import cached_property, partial
from pathlib import Path

import cv2
import numpy as np

from producers.sources.base import Frames, Picture, SourceError, SourceFrame
from producers.sources.fingerprint import file_fingerprint
from producers.sources.jpegs import jpeg_picture
from runtime.errors import UserError
from vision.jpeg import (
    MAX_PIXELS,
    BadJpeg,
    TooLarge,
    Undecodable,
)

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
FINGERPRINT_BYTES = 1 << 16
MOST_BYTES = 100_000_000  # of a file that is read into memory
PNG_START = b"\x89PNG\r\n\x1a\n"
BMP_START = b"BM"


class ImagesSource:
    """The n-th picture of a folder, by name, is the frame at n * `every_us`.

    JPEG files are passed on byte for byte. Other files than pictures (by suffix) are left alone.
    """

    def __init__(self, folder: Path, *, every_us: int) -> None:
        self._folder = folder
        self._every_us = every_us

    @cached_property
    def identity(self) -> str:
        """All names, sizes and ends of the files, and the time between them."""
        digest = hashlib.sha256()
        for path in self._files:
            digest.update(file_fingerprint(path, FINGERPRINT_BYTES).encode() + b"\n")
        return f"images:{len(self._files)}:{digest.hexdigest()}:{self._every_us}"

    @property
    def recorded_at_us(self) -> None:
        """Unknown: a file's modification time is often that of its copy."""
        return

    def frames(self, from_us: int = 0) -> Frames:
        first = -(-from_us // self._every_us)
        for number in range(first, len(self._files)):
            yield SourceFrame(number * self._every_us, partial(_load, self._files[number]))

    def length_us(self) -> int:
        return len(self._files) * self._every_us

    def close(self) -> None:
        """Nothing to let go of: each picture is read at once."""

    @cached_property
    def _files(self) -> list[Path]:
        """Raises UserError where there is no folder, or no picture in it."""
        try:
            entries = [path for path in self._folder.iterdir() if path.is_file()]
        except OSError as error:
            raise UserError(f"{self._folder} can't be read: {error.strerror}") from error
        found = [path for path in entries if path.suffix.lower() in SUFFIXES]
        if not found:
            raise UserError(f"{self._folder} holds no picture ({', '.join(sorted(SUFFIXES))})")
        return sorted(found, key=lambda path: path.name)


def _load(path: Path) -> Picture:
    """Raises SourceError('undecodable')."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SourceError("undecodable", f"{path.name} is larger than {MOST_BYTES:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise SourceError("undecodable", f"{path.name}: {error.strerror}") from error
    try:
        return (
            _other_picture(data) if data.startswith((PNG_START, BMP_START)) else jpeg_picture(data)
        )
    except BadJpeg as error:
        raise SourceError("undecodable", f"{path.name}: {error.detail}") from error


def _other_picture(data: bytes) -> Picture:
    """A PNG or BMP, by its content; its size is judged before anything is allocated."""
    try:
        if data.startswith(PNG_START):
            width, height = struct.unpack_from(">II", data, 16)
        else:
            width, height = map(abs, struct.unpack_from("<ii", data, 18))
    except struct.error as error:
        raise Undecodable("its header is cut") from error
    if width * height > MAX_PIXELS:
        raise TooLarge(f"{width}x{height} pixels; at most {MAX_PIXELS:,} pixels are decoded")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise Undecodable("broken: OpenCV can't decode it") from error
    if pixels is None:
        raise Undecodable("broken: OpenCV can't decode it")
    return Picture(width, height, lambda: np.array(pixels, dtype=np.uint8))
