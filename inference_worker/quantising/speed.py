"""Whether INT8 pays here: its CPU time against that of the float form, by turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inference_worker.backends.base import Image
from inference_worker.detector import Detector

# What it must be faster by to be worth a second model.
WORTH = 1.2
_ROUNDS = 7


@dataclass(frozen=True)
class Speed:
    """Of one form of the model on one engine."""

    form: str  # "float", "int8"
    engine: str
    precision: str  # that the engine was asked for
    batch: int
    cpu_ms: float  # per picture, preprocessing included


def measure(
    detectors: Sequence[tuple[str, Detector]],
    pictures: Sequence[Image],
    batch: int,
    cpu_time_s: Callable[[], float] = time.process_time,
) -> list[Speed]:
    """Median over rounds in which each has its turn, so that all share what disturbs them.

    Those that can't do the batch are left out.
    """
    able = [(form, one) for form, one in detectors if one.backend.max_batch >= batch]
    taken: list[list[float]] = [[] for _ in able]
    for number in range(_ROUNDS + 1):
        for (_, detector), times in zip(able, taken, strict=True):
            begins = cpu_time_s()
            detector.infer(pictures[:batch])
            if number:  # the first time an engine is not warm yet
                times.append((cpu_time_s() - begins) * 1000 / batch)
    return [
        Speed(form, one.backend.name, one.backend.precision, batch, statistics.median(times))
        for (form, one), times in zip(able, taken, strict=True)
    ]


def gain(speeds: Sequence[Speed], precision: str | None = None) -> float | None:
    """CPU time of the best float form over that of the best INT8 form, at any batch and engine.

    `precision`: of the float form; None: any. Returns None if one of them was not measured.
    """
    plain = [
        one.cpu_ms for one in speeds if one.form == "float" and precision in (None, one.precision)
    ]
    small = [one.cpu_ms for one in speeds if one.form == "int8"]
    return min(plain) / max(min(small), 1e-9) if plain and small else None
