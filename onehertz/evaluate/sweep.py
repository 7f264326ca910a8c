"""What if frames were smaller, coarser or rarer: accuracy, drop, CPU and bytes of each.

One thing is varied at a time. Accuracy is against what the model sees on the video's own pictures,
before any JPEG, on every tick of the interval that is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any, Final, TypeVar

import cv2
import numpy as np

from onehertz.evaluate.judging import Boxes
from onehertz.evaluate.report import Row
from onehertz.evaluate.ticks import QUALITY, Detecting, frames_at, served_at
from producers.sources.base import Image
from vision.gate import Gate, GateRule
from vision.jpeg import Luma, decode_bgr, decode_luma, encode_bgr, inspect
from vision.scores import f1

HEIGHTS: Final = (1080, 720, 480, 360)
QUALITIES: Final = (95, 85, 75, 60, 40)
EVERY: Final = (2, 5)  # ticks

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Variant:
    """How frames are sent: their height in pixels, their JPEG quality."""

    height: int
    quality: int

    def encode(self, image: Image) -> bytes:
        """The picture as it would be sent."""
        rows, columns = image.shape[:2]
        if self.height < rows:
            size = max(1, round(columns * self.height / rows)), self.height
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        return encode_bgr(image, self.quality)


@dataclass(slots=True)
class Lane:
    """What was measured of one variant, a value for each tick. CPU of the process, in ms."""

    variant: Variant
    gate: Gate
    lumas: list[Luma] = field(default_factory=list)
    same_as: list[int] = field(default_factory=list)
    gate_ms: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    boxes: dict[str, list[Boxes]] = field(default_factory=dict)
    detect_ms: dict[str, list[float]] = field(default_factory=dict)

    def add(self, image: Image, name: str, at_us: int, detectors: Mapping[str, Detecting]) -> None:
        """One more tick."""
        jpeg = self.variant.encode(image)
        header = inspect(jpeg)
        luma, decode_ms = _timed(lambda: decode_luma(jpeg, header))
        decision, decide_ms = _timed(lambda: self.gate.decide(luma, name, at_us))
        self.same_as.append(len(self.sizes) if decision.kept else self.same_as[-1])
        self.lumas.append(luma)
        self.gate_ms.append(decode_ms + decide_ms)
        self.sizes.append(len(jpeg))
        for model, detector in detectors.items():
            (boxes,), detect_ms = _timed(lambda: detector.detect([decode_bgr(jpeg, header)]))  # noqa: B023 (called at once)
            self.boxes.setdefault(model, []).append(boxes)
            self.detect_ms.setdefault(model, []).append(detect_ms)


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    began = time.process_time()
    result = work()
    return result, (time.process_time() - began) * 1000


def variants(height: int) -> list[Variant]:
    """Of a source of that height: as it is first, then lower and coarser ones."""
    lower = [Variant(one, QUALITY) for one in HEIGHTS if one < height]
    coarser = [Variant(height, quality) for quality in QUALITIES if quality != QUALITY]
    return [Variant(height, QUALITY), *lower, *coarser]


def sweep(
    sources: Sequence[Path], detectors: Mapping[str, Detecting], rule: GateRule, interval_us: int
) -> Iterator[Row]:
    """What `--sweep` prints: a row for each source, model and variant. Raises UserError."""
    for source in sources:
        lanes: list[Lane] = []
        truth: dict[str, list[Boxes]] = {model: [] for model in detectors}
        for number, time_s, image in frames_at(source, served_at(source, interval_us)):
            lanes = lanes or [Lane(one, Gate(rule)) for one in variants(image.shape[0])]
            for model, detector in detectors.items():
                truth[model] += detector.detect([image])
            for lane in lanes:
                lane.add(image, f"{source.name}:{number}", round(time_s * 1e6), detectors)
        for model, boxes in truth.items():
            for row in rows(lanes, model, boxes, rule, interval_us):
                yield {"source": str(source), "model": model} | row


def rows(
    lanes: Sequence[Lane], model: str, truth: Sequence[Boxes], rule: GateRule, interval_us: int
) -> Iterator[Row]:
    """Of each lane, then of the first one's ticks taken less often."""
    for lane in lanes:
        yield _row(lane, model, truth, lane.same_as, 1, interval_us)
    for every in EVERY if lanes else ():
        same_as = _rarer(lanes[0].lumas[::every], rule, interval_us * every)
        yield _row(lanes[0], model, truth, [at * every for at in same_as], every, interval_us)


def _rarer(lumas: Sequence[Luma], rule: GateRule, interval_us: int) -> list[int]:
    """Of each of these, which one's boxes it has, by a gate that sees only these."""
    gate, same_as = Gate(rule), 0
    found = []
    for number, luma in enumerate(lumas):
        if gate.decide(luma, f"rarer:{number}", number * interval_us).kept:
            same_as = number
        found.append(same_as)
    return found


def _row(
    lane: Lane,
    model: str,
    truth: Sequence[Boxes],
    same_as: Sequence[int],
    every: int,
    interval_us: int,
) -> dict[str, Any]:
    """`same_as`: for each tick that is taken, one in `every`, the tick whose boxes it has."""
    boxes, count = lane.boxes[model], len(truth)
    taken = range(0, count, every)
    dropped = mean(one != other for one, other in zip(taken, same_as, strict=True))
    gate_ms, detect_ms = mean(lane.gate_ms), mean(lane.detect_ms[model])
    cpu_ms, size = gate_ms + (1 - dropped) * detect_ms, mean(lane.sizes)
    per_s = 1e6 / (interval_us * every)
    return {
        "height": lane.variant.height,
        "jpeg_quality": lane.variant.quality,
        "interval_s": round(interval_us * every / 1e6, 6),
        "frames": len(taken),
        # A tick that is not taken has what was seen on the one before.
        "f1": round(mean(f1(boxes[n - n % every], truth[n]) for n in range(count)), 4),
        "gated_f1": round(mean(f1(boxes[same_as[n // every]], truth[n]) for n in range(count)), 4),
        "dropped": round(dropped, 4),
        "gate_cpu_ms": round(gate_ms, 3),
        "detect_cpu_ms": round(detect_ms, 3),
        "cpu_ms_per_frame": round(cpu_ms, 3),
        "bytes_per_frame": round(size),
        "cpu_ms_per_s": round(cpu_ms * per_s, 3),
        "bytes_per_s": round(size * per_s),
    }
