"""Measuring models for `onehertz models bench`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from inference_worker.admission.frames import synthetic_pictures
from inference_worker.backends.base import Image
from inference_worker.choosing.measured import Measured, best
from inference_worker.choosing.measuring import SIZES, Stretching, measure
from inference_worker.choosing.plans import Plan
from inference_worker.choosing.telling import choice_line
from inference_worker.loading import Opener
from inference_worker.metering.meter import Meter
from inference_worker.metering.nvml import Gpu
from inference_worker.settings import InferSettings
from onehertz.assets import fetch_one, path_of, user_cache

_MOST_ROUNDS = 50
_GPU_ROUNDS = 2
_GPU_STRETCH_S = 0.5  # at least: a GPU renews its readings every 0.1 s or so


class Benched(NamedTuple):
    """A model, and what was measured of it."""

    model: str
    rows: list[Measured]
    choice: str  # that `auto` would take of them, with its reasons
    is_int8: bool = False


class Wish(NamedTuple):
    """What to measure: for how long a model, and whether that is kept for `infer` to choose by."""

    seconds: float
    keep: bool
    on_gpu: bool = False
    gpu: Gpu | None = None  # to be metered
    frame_side_px: int = 0  # the longer one, on a GPU, which is given frames


def bench(settings: InferSettings, wish: Wish) -> Benched:
    """Raises UserError if there is no such model, or nothing to run it on."""
    cache = user_cache()
    # The known frames are fetched too: without them nothing speaks for fewer bits.
    opener = Opener(settings, fetch_one, fetch_one, cache)
    single = Opener(settings.model_copy(update={"threads": 1}), fetch_one, path_of, cache)
    asked = [*opener.plans, *(() if wish.on_gpu else single.plans)]
    rows = _measured(opener, list(dict.fromkeys(asked)), wish)
    if wish.keep:
        opener.measured_store(cache).keep(rows)
    own = [one for one in rows if one.plan in opener.plans]
    chosen = best(own, settings.max_batch)
    if chosen is None:
        choice = f"{settings.model} can't be run: {own[0].refusal}"
    else:
        choice = choice_line(settings.model, chosen, own, settings.max_batch)
    return Benched(settings.model, rows, choice, opener.is_int8)


def _measured(opener: Opener, plans: Sequence[Plan], wish: Wish) -> list[Measured]:
    columns = TextColumn("{task.description}"), BarColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{opener.settings.model}: {len(plans)} ways", total=wish.seconds)
        began_s = 0.0

        def told() -> None:
            nonlocal began_s
            began_s = began_s or time.monotonic()
            progress.update(task, completed=min(wish.seconds, time.monotonic() - began_s))

        if wish.on_gpu:
            return _on_gpu(opener, plans, wish, told)
        sizes = [size for size in SIZES if size <= opener.settings.max_batch]
        return measure(
            plans, opener.open, opener.judge,
            budget_s=wish.seconds, rounds=_MOST_ROUNDS, sizes=sizes, told=told,
        )  # fmt: skip


def _on_gpu(
    opener: Opener, plans: Sequence[Plan], wish: Wish, told: Callable[[], None]
) -> list[Measured]:
    """In turns long enough for its readings; all sizes up to the largest batch."""
    sizes = doubled(opener.settings.max_batch)
    gpu = wish.gpu
    turns = len(plans) * len(sizes) * _GPU_ROUNDS
    least_s = max(_GPU_STRETCH_S, wish.seconds / turns)
    return measure(
        plans, opener.open, opener.judge,
        budget_s=2 * least_s * turns, rounds=_GPU_ROUNDS, sizes=sizes, told=told,
        stretching=Stretching(least_s, None if gpu is None else lambda: Meter(gpu)),
        pictures=frames(sizes[0], wish.frame_side_px),
    )  # fmt: skip


def doubled(most: int) -> list[int]:
    """Batch sizes: the largest, then each power of two below it, down to 1."""
    return [most, *(1 << power for power in reversed(range((most - 1).bit_length())))]


def frames(count: int, side_px: int) -> list[Image]:
    """Pictures as large as the gate leaves them, 16:9."""
    size = (side_px, round(side_px * 9 / 16))
    made = synthetic_pictures(count + 2)[2:]
    return [np.asarray(cv2.resize(one, size), dtype=np.uint8) for one in made]
