"""Ground truth in the place of a detector: MOT's `gt.txt`, or a folder of YOLO's text files.

MOT: `frame,id,left,top,width,height,flag,…` in pixels, frames counted from 1; a row with flag 0 is
to be ignored. All objects are called "object" (MOT Challenge's classes differ from year to year).
YOLO: a file per frame, its number in the file's name, with `class centre_x centre_y width height`
in fractions; names of the classes in `classes.txt` beside them. A frame without a file has no
object.
"""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from onehertz.evaluate.judging import Boxes, Seen
from onehertz.evaluate.ticks import Pass
from onehertz.evaluate.yolo import row_of
from runtime.errors import UserError
from schemas.messages import Box

NAME = "labels"
_CLASSES = "classes.txt"
Size = tuple[int, int]  # width and height, pixels


@dataclass(frozen=True, slots=True)
class Label:
    """One box of one frame, in pixels of the labels' own space (YOLO: of a frame of 1x1)."""

    label: str
    track: int | None
    left: float
    top: float
    width: float
    height: float

    def box(self, space: tuple[float, float]) -> Box | None:
        """In fractions of the frame; None where nothing of it lies within."""
        sides = [
            min(1.0, max(0.0, value / size))
            for value, size in (
                (self.left, space[0]),
                (self.top, space[1]),
                (self.left + self.width, space[0]),
                (self.top + self.height, space[1]),
            )
        ]
        x1, y1, x2, y2 = sides
        if x2 <= x1 or y2 <= y1:
            return None
        return Box(label=self.label, score=1.0, x1=x1, y1=y1, x2=x2, y2=y2)


class Labels:
    """What is on each frame of one source."""

    def __init__(self, path: Path, space: Size | None = None, first: int | None = None) -> None:
        """`space`: of MOT labels, the size of the frames that they were made on, if another.

        `first`: the number that the labels give to the video's first frame; MOT 1, YOLO 0.
        Raises UserError where the labels can't be read.
        """
        yolo = path.is_dir()
        self._first = (0 if yolo else 1) if first is None else first
        self._space: tuple[float, float] | None = (1.0, 1.0) if yolo else space
        self._frames: dict[int, list[Label]] = defaultdict(list)
        for number, label in _yolo(path) if yolo else _mot(path):
            self._frames[number].append(label) if label else self._frames[number]
        if not self._frames:
            raise UserError(f"{path}: holds no labels")

    def labelled(self, one: Pass) -> Pass:
        """The pass without its ticks after the last frame that has labels: those are unknown."""
        last = max(self._frames) - self._first
        known = [number for number, tick in enumerate(one.ticks) if tick.frame_index <= last]
        return replace(
            one,
            ticks=[one.ticks[number] for number in known],
            seen={name: [boxes[at] for at in known] for name, boxes in one.seen.items()},
        )

    def seen(self, one: Pass) -> Seen:
        """As a judge sees the ticks of a pass that is labelled."""
        boxes: list[Boxes] = []
        tracks: list[list[int]] = []
        for tick in one.ticks:
            space = self._space or (tick.width, tick.height)
            here = self._frames.get(tick.frame_index + self._first, [])
            found = [(box, label.track) for label in here if (box := label.box(space))]
            boxes.append([box for box, _ in found])
            tracks.append([track for _, track in found if track is not None])
        known = all(len(b) == len(t) for b, t in zip(boxes, tracks, strict=True))
        return Seen(NAME, boxes, tracks=tracks if known else None)


def _mot(path: Path) -> Iterator[tuple[int, Label | None]]:
    for number, row in enumerate(csv.reader(_text(path).splitlines()), 1):
        if not row:
            continue
        try:
            # Some tools write all of them as 1.0, 2.0 …
            frame, track, left, top, width, height, flag = map(_finite, row[:7])
        except ValueError as error:
            raise UserError(
                f"{path}, line {number}: expected frame,id,left,top,width,height,flag"
            ) from error
        # A row to be ignored still says that the frame was looked at.
        label = Label("object", int(track), left, top, width, height) if flag else None
        yield int(frame), label


def _yolo(folder: Path) -> Iterator[tuple[int, Label | None]]:
    names = _text(folder / _CLASSES).splitlines() if (folder / _CLASSES).exists() else []
    files = sorted(path for path in folder.glob("*.txt") if path.name != _CLASSES)
    numbered = sorted((_number(path), path) for path in files)
    for (number, path), (other, second) in pairwise(numbered):
        if number == other:
            raise UserError(f"{path} and {second.name} are both of frame {number}")
    for number, path in numbered:
        yield number, None
        for place, line in enumerate(_text(path).splitlines(), 1):
            if line.strip():
                yield number, _yolo_label(path, place, line, names)


def _number(path: Path) -> int:
    digits = re.search(r"(\d+)$", path.stem)
    if digits is None:
        raise UserError(f"{path}: its name should end with the number of its frame")
    return int(digits[1])


def _yolo_label(path: Path, place: int, line: str, names: list[str]) -> Label:
    kind, (x1, y1, x2, y2) = row_of(path, place, line)
    name = names[kind].strip() if 0 <= kind < len(names) else f"class {kind}"
    return Label(name, None, x1, y1, x2 - x1, y2 - y1)


def _finite(word: str) -> float:
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(word)
    return value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: can't be read: {error}") from error
