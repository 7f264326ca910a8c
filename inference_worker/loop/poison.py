"""Which picture is it, where a batch fails: or is it the engine?"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from inference_worker.backends.base import EngineBroken, Image
from inference_worker.detector import Boxes, Detector
from inference_worker.tiles import Tile, merge_all, views
from runtime.errors import FatalError
from schemas.errors import InvalidMessage

log = logging.getLogger("onehertz.infer")

# Nothing is on it, and no model that has passed admission fails on it.
_HARMLESS_PX = (240, 320, 3)


class Uninferable(InvalidMessage):
    """A picture on which the detector fails, though not on others."""

    def __init__(self, detail: str) -> None:
        super().__init__("failed", detail)


def one_by_one(
    detector: Detector, images: Sequence[Image], plans: Sequence[Sequence[Tile]] | None = None
) -> list[Boxes | InvalidMessage]:
    """Each image's boxes, or why it has none. `plans`: the tiles of each.

    If no image goes through, a harmless one decides. Raises FatalError if that fails too, or the
    engine says so itself: then it is the engine that is broken.
    """
    answers: list[Boxes | InvalidMessage] = []
    last: Exception | None = None
    for image, tiles in zip(images, plans or [()] * len(images), strict=True):
        try:
            answers += merge_all(detector.detect(views(image, tiles)), [image], [tiles])
        except EngineBroken:
            raise
        except Exception as error:  # engines and pictures fail in ways that nobody has listed
            last = error
            height, width = image.shape[:2]
            answers.append(Uninferable(f"the detector fails on it, {width}x{height}: {error}"))
    if last is not None and all(isinstance(answer, InvalidMessage) for answer in answers):
        _check_alive(detector, last)
    return answers


def _check_alive(detector: Detector, last: Exception) -> None:
    try:
        detector.detect([np.zeros(_HARMLESS_PX, dtype=np.uint8)])
    except Exception:
        raise FatalError(f"{detector.name} fails on every picture: {last}") from last
