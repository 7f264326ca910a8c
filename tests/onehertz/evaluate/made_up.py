"""Made-up ticks, boxes, gates and detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from onehertz.evaluate.judging import Boxes, Seen, Tick
from onehertz.evaluate.ticks import Pass
from producers.sources.base import Image
from schemas.messages import Box
from vision.gate import Decision, GateRule
from vision.jpeg import Luma
from vision.scene import Scene

RULE = GateRule(audit_rate=0.0, refresh_us=3_600_000_000)


def box(
    x1: float = 0.1,
    width: float = 0.2,
    *,
    label: str = "person",
    score: float = 0.9,
    y1: float = 0.1,
    height: float = 0.5,
) -> Box:
    x2, y2 = round(min(1.0, x1 + width), 6), round(min(1.0, y1 + height), 6)
    return Box(label=label, score=score, x1=x1, y1=y1, x2=x2, y2=y2)


PERSON, ELSEWHERE = box(), box(0.6)
FAINT = box(0.6, score=0.55)

BOXES = st.lists(
    st.builds(
        lambda place, label, score: box(place / 16, label=label, score=score),
        st.integers(0, 12),
        st.sampled_from(["person", "car"]),
        st.sampled_from([0.4, 0.9]),
    ),
    max_size=3,
)
SEEN = st.lists(BOXES, min_size=1, max_size=20)


def luma(scene: int) -> Luma:
    """Of a scene with structure; equal scenes are equal."""
    return np.random.default_rng(scene).integers(60, 190, (120, 160), dtype=np.uint8)


def ticks(*scenes: int, interval_s: float = 1.0) -> list[Tick]:
    return [
        Tick(at * interval_s, at * 25, luma(scene), 640, 480) for at, scene in enumerate(scenes)
    ]


def a_pass(
    scenes: Sequence[int],
    seen: Mapping[str, Sequence[Boxes]] | None = None,
    source: str = "clip.mp4",
) -> Pass:
    return Pass(Path(source), 0, 1_000_000, ticks(*scenes), seen or {})


def judge_of(name: str, doubtful: float = 0.6) -> object:
    """Reads what a pass carries under that name."""
    return lambda one: Seen(name, one.seen[name], doubtful)


@dataclass
class ScriptedGate:
    """Keeps the frames that it is told to, and remembers what it was taught."""

    kept: Sequence[bool]
    scene: Scene | None = None
    times_us: list[int] = field(default_factory=list)
    taught: list[tuple[str, Boxes | None]] = field(default_factory=list)

    def decide(self, luma: Luma, frame: str, captured_at_us: int) -> Decision:
        kept = self.kept[len(self.times_us)]
        self.times_us.append(captured_at_us)
        return Decision(kept, "changed" if kept else None, 1.0, self.scene)

    def learn(self, frame: str, boxes: Boxes | None) -> bool:
        self.taught.append((frame, boxes))
        return True


@dataclass
class CountingDetector:
    """Sees a person on each picture, further right the brighter it is."""

    score_threshold: float = 0.4
    images: int = 0

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        self.images += len(images)
        return [(box(float(image.mean()) / 400),) for image in images]
