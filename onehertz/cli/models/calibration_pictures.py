"""Pictures to quantise on: of a folder, of a video, or those that the gate has kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from inference_worker.admission.frames import real_pictures, small
from inference_worker.backends.base import Image
from onehertz.look import Span, messages
from onehertz.settings import Settings
from runtime.errors import UserError
from runtime.kafka import received
from runtime.topics import check_topics
from schemas.codec import decode_gated
from schemas.errors import DecodeError
from schemas.messages import Kept

TOPIC = "topic"
MOST_PICTURES = 128
_FRAMES = "frames-gated"

T = TypeVar("T")


def calibration_pictures(settings: Settings, source: str) -> list[Image]:
    """At most `MOST_PICTURES`, spread over the source, the same ones every time.

    Raises UserError if there are none.
    """
    if source != TOPIC:
        return real_pictures(Path(source), MOST_PICTURES)
    pictures = [_decoded(data) for data in spread(_kept(settings), MOST_PICTURES)]
    found = [small(picture) for picture in pictures if picture is not None]
    if not found:
        raise UserError(f"--calibrate {TOPIC}: {_FRAMES} has no kept frames")
    return found


def spread(values: Iterable[T], count: int) -> list[T]:
    """`count / 2` to `count` of the values (all, if there are fewer), at even distances.

    However many there are, no more than `count` are held.
    """
    held: list[T] = []
    stride = 1
    for number, value in enumerate(values):
        if number % stride:
            continue
        if len(held) == count:
            held = held[::2]
            stride *= 2
            if number % stride:
                continue
        held.append(value)
    return held


def _kept(settings: Settings) -> Iterator[bytes]:
    """JPEGs of all cameras, those that the topic still has."""
    line = settings.line
    check_topics(settings.kafka, line, [_FRAMES])
    span = Span(from_beginning=True, follow=False)
    for message in messages(settings.kafka, line.topic(_FRAMES), line.partitions, span):
        try:
            record = decode_gated(received(message))
        except DecodeError:
            continue  # the dead letters have it
        if isinstance(record, Kept):
            yield record.jpeg


def _decoded(jpeg: bytes) -> Image | None:
    picture = cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_COLOR)
    return None if picture is None else np.asarray(picture, dtype=np.uint8)
