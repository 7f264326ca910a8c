"""A contact sheet of the worst drops: what was kept beside what was dropped as equal to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from onehertz.evaluate.judging import Boxes, Judged, Seen
from onehertz.evaluate.ticks import Pass, frames_at
from vision.draw import Image, draw_boxes

DROPS: Final = 12
# One picture, in pixels; a row of the sheet has two, and a line of text above them.
_WIDTH, _HEIGHT, _TEXT, _GAP = 480, 360, 28, 8
_BACKGROUND: Final = (32, 32, 32)
_INK: Final = (235, 235, 235)


@dataclass(frozen=True, slots=True)
class Drop:
    """A tick that was dropped, and the kept one whose boxes it has."""

    source: Path
    judge: str
    time_s: float
    frame_index: int
    kept_s: float
    kept_index: int
    score: float
    f1: float
    boxes: Boxes  # that the judge sees
    inherited: Boxes

    @classmethod
    def of(cls, one: Pass, judged: Judged, seen: Seen) -> Drop:
        """Of a judged tick of that pass."""
        decided = judged.decided
        tick, kept = one.ticks[decided.number], one.ticks[decided.same_as]
        return cls(
            one.source,
            seen.judge,
            tick.time_s,
            tick.frame_index,
            kept.time_s,
            kept.frame_index,
            decided.score,
            judged.f1,
            seen.boxes[decided.number],
            seen.boxes[decided.same_as],
        )

    @property
    def caption(self) -> str:
        """One line."""
        return (
            f"{self.source.name}  kept {self.kept_s:.2f} s | dropped {self.time_s:.2f} s"
            f"  score {self.score:.1f}  F1 {self.f1:.2f}  judge {self.judge}"
        )


def worst(drops: Iterable[Drop], count: int) -> list[Drop]:
    """The worst first; one for each judge, source and second of the kept frame.

    What is dropped against one kept frame errs in one way, and passes lie close together.
    """
    chosen: dict[tuple[str, Path, int], Drop] = {}
    for drop in sorted(drops, key=lambda one: (one.f1, str(one.source), one.time_s, one.judge)):
        chosen.setdefault((drop.judge, drop.source, int(drop.kept_s)), drop)
    return list(chosen.values())[:count]


def sheet(drops: Sequence[Drop]) -> Image:
    """A picture (BGR) with a row for each drop; reads their frames from the videos again."""
    pictures = _pictures(drops)
    rows = [
        _row(
            drop.caption,
            _picture(pictures.get((drop.source, drop.kept_index)), drop.inherited),
            _picture(pictures.get((drop.source, drop.frame_index)), drop.boxes),
        )
        for drop in drops
    ]
    return np.vstack(rows or [_row("no drop that differs", _picture(None, ()), _picture(None, ()))])


def _pictures(drops: Sequence[Drop]) -> dict[tuple[Path, int], Image]:
    found: dict[tuple[Path, int], Image] = {}
    for source in sorted({drop.source for drop in drops}):
        wanted = {
            index
            for drop in drops
            if drop.source == source
            for index in (drop.frame_index, drop.kept_index)
        }
        for index, _, image in frames_at(source, wanted):
            found[source, index] = _fitted(image)
    return found


def _fitted(image: Image) -> Image:
    scale = min(_WIDTH / image.shape[1], _HEIGHT / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _picture(image: Image | None, boxes: Boxes) -> Image:
    height, width = (_TEXT, _WIDTH) if image is None else image.shape[:2]
    place = np.full((height, _WIDTH, 3), _BACKGROUND, np.uint8)
    if image is not None:
        place[:, :width] = draw_boxes(image, boxes)
    return place


def _row(caption: str, kept: Image, dropped: Image) -> Image:
    height = max(len(kept), len(dropped))
    kept, dropped = (_filled_up(one, height) for one in (kept, dropped))
    text = np.full((_TEXT, 2 * _WIDTH + _GAP, 3), _BACKGROUND, np.uint8)
    cv2.putText(
        text, caption, (4, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA
    )  # fmt: skip
    between = np.full((height, _GAP, 3), _BACKGROUND, np.uint8)
    return np.vstack([text, np.hstack([kept, between, dropped])])


def _filled_up(image: Image, height: int) -> Image:
    below = height - len(image)
    return np.asarray(
        cv2.copyMakeBorder(image, 0, below, 0, 0, cv2.BORDER_CONSTANT, value=_BACKGROUND), np.uint8
    )
