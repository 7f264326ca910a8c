"""Known frames: pictures that every engine is asked about, the same in every run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from inference_worker.backends.base import Image
from runtime.errors import UserError

_SEED = 1
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
# Wide enough for any detector's input; larger ones would only fill the model's folder.
_MOST_PIXELS_WIDE = 960


def synthetic_pictures(count: int) -> list[Image]:
    """`count` different pictures, the same in every run: (240, 320, 3) uint8.

    The first is black, the second white, the others are bright rectangles on noise.
    """
    chance = np.random.default_rng(_SEED)
    pictures = [np.full((240, 320, 3), value, dtype=np.uint8) for value in (0, 255)]
    while len(pictures) < count:
        picture = chance.integers(0, 96, (240, 320, 3), dtype=np.uint8)
        for _ in range(4):
            top, left = chance.integers(0, 160), chance.integers(0, 240)
            height, width = chance.integers(20, 80), chance.integers(10, 80)
            colour = chance.integers(96, 256, 3, dtype=np.uint8)
            picture[top : top + height, left : left + width] = colour
        pictures.append(picture)
    return pictures[:count]


def real_pictures(source: Path, count: int) -> list[Image]:
    """At most `count` pictures of a folder of pictures or of a video, evenly spread over it.

    Raises UserError if there are none, or one can't be read.
    """
    if source.is_dir():
        return _of_folder(source, count)
    if not source.exists():
        raise UserError(f"{source}: is not there; expected a folder of pictures, or a video")
    if source.suffix.lower() in _PICTURES:
        return [_read(source)]
    return [picture for _, picture in video_frames(source, count)]


def video_frames(path: Path, count: int) -> list[tuple[int, Image]]:
    """At most `count` frames of a video, evenly spread over it, with their numbers.

    Raises UserError if it can't be decoded.
    """
    clip = _opened(path)
    try:
        total = int(clip.get(cv2.CAP_PROP_FRAME_COUNT))
        wanted = {int((place + 0.5) * total / count) for place in range(count)}
        taken = [(at, small(frame)) for at, frame in _frames(clip) if at in wanted or total <= 0]
    finally:
        clip.release()
    if not taken:
        raise UserError(f"{path}: can't be decoded as a video")
    return taken[:count]


def numbered_frames(path: Path, numbers: tuple[int, ...]) -> list[Image]:
    """These frames of a video, in rising order. Raises UserError if one of them isn't there."""
    clip = _opened(path)
    taken = []
    try:
        for at, frame in _frames(clip):
            if at in numbers:
                taken.append(small(frame))
            if len(taken) == len(numbers):
                return taken
    finally:
        clip.release()
    raise UserError(f"{path}: has no frame {numbers[len(taken)]}, or can't be decoded")


def small(picture: Image) -> Image:
    """The picture, made smaller if it is wider than any detector needs."""
    height, width = picture.shape[:2]
    if width <= _MOST_PIXELS_WIDE:
        return picture
    size = (_MOST_PIXELS_WIDE, max(1, round(height * _MOST_PIXELS_WIDE / width)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _of_folder(folder: Path, count: int) -> list[Image]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES)
    if not paths:
        raise UserError(f"{folder}: has no pictures ({', '.join(_PICTURES)})")
    wanted = sorted({int((place + 0.5) * len(paths) / count) for place in range(count)})
    return [_read(paths[at]) for at in wanted]


def _read(path: Path) -> Image:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError(f"{path}: can't be read as a picture")
    return small(np.asarray(picture, dtype=np.uint8))


def _opened(path: Path) -> cv2.VideoCapture:
    # Read once, at the first video: FFmpeg's own complaints tell nobody what to do.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    return cv2.VideoCapture(str(path))


def _frames(clip: cv2.VideoCapture) -> Iterator[tuple[int, Image]]:
    at = 0
    while True:
        there, frame = clip.read()
        if not there:
            return
        yield at, np.asarray(frame, dtype=np.uint8)
        at += 1
