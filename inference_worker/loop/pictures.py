"""A batch's pictures, from JPEGs to what the engine takes; run in the threads around it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from inference_worker.backends.base import Image
from inference_worker.detector import Detector, Prepared
from inference_worker.tile_grid import Grid
from inference_worker.tiles import Tile, all_views, tiles_of
from schemas.errors import InvalidMessage
from vision.jpeg import decode_bgr, inspect

log = logging.getLogger("onehertz.infer")


class Ready(NamedTuple):
    """A batch's pictures; `bad` by their number in it."""

    images: list[Image]
    plans: list[list[Tile]]  # of each image
    bad: dict[int, InvalidMessage]
    prepared: list[Prepared]  # as the engine takes them; none where they can't be put into batches
    took_ms: float

    @property
    def inferences(self) -> int:
        """That the batch takes: of each image as a whole, and of its tiles."""
        return sum(1 + len(tiles) for tiles in self.plans)


def decode(jpeg: bytes) -> Image:
    """The whole picture. Raises InvalidMessage."""
    return decode_bgr(jpeg, inspect(jpeg))


def make_ready(
    detector: Detector,
    pictures: Sequence[Future[Image]],
    grids: Sequence[Grid | None],
    began_s: float,
) -> Ready:
    """Waits for the pictures of a batch. `began_s`: of `time.perf_counter`, when it closed."""
    images: list[Image] = []
    plans: list[list[Tile]] = []
    bad: dict[int, InvalidMessage] = {}
    for number, picture in enumerate(pictures):
        try:
            images.append(picture.result())
            plans.append(tiles_of(images[-1], grids[number]))
        except InvalidMessage as error:
            bad[number] = error
    looks, most = all_views(images, plans), detector.backend.max_batch
    parts = [looks[begin : begin + most] for begin in range(0, len(looks), most)]
    prepared: list[Prepared] = []
    try:
        prepared = [detector.prepare(part) for part in parts]
    except Exception as error:  # one picture of an odd shape, perhaps
        say_one_by_one(images, error)
    return Ready(images, plans, bad, prepared, (time.perf_counter() - began_s) * 1000)


def say_one_by_one(images: Sequence[Image], error: Exception) -> None:
    """A batch failed as one."""
    log.warning("a batch of %d failed, its pictures one by one now: %s", len(images), error)
