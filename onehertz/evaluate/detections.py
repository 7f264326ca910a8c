"""Somebody else's detections, from a file of JSON lines.

    {"source": "yard.mp4", "frame_index": 250, "boxes": [{"label": "person", "score": 0.9,
     "x1": 0.1, "y1": 0.2, "x2": 0.3, "y2": 0.6}]}

`source` as on the command line, or the file's bare name. `frame_index` counts the video's frames
from 0; in its place `time_s`, after the first frame. Corners are fractions of the frame; `boxes`
null where the detector refused the frame. Other keys are ignored. `onehertz evaluate gate
--decisions` prints the frame_index and time_s of each tick.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import msgspec

from onehertz.evaluate.judging import Boxes, Tick
from onehertz.evaluate.ticks import Pass
from runtime.errors import UserError
from schemas.messages import Box

# Two times that are no further apart are of one frame: half a frame at 25 fps.
_SAME_MOMENT_S = 0.02


class Line(msgspec.Struct):
    """One line of the file."""

    source: str
    boxes: tuple[Box, ...] | None
    frame_index: int | None = None
    time_s: float | None = None


class Detections:
    """What somebody's detector says of frames, by source."""

    def __init__(self, path: Path) -> None:
        """Raises UserError, with the number of the line, where the file is not as described."""
        self._path, self.name = path, path.name
        self._by_index: dict[str, dict[int, Boxes | None]] = defaultdict(dict)
        self._by_time: dict[str, list[tuple[float, Boxes | None]]] = defaultdict(list)
        for line in _lines(path):
            if line.frame_index is not None:
                self._by_index[line.source][line.frame_index] = line.boxes
            elif line.time_s is not None:
                self._by_time[line.source].append((line.time_s, line.boxes))
        for timed in self._by_time.values():
            timed.sort(key=lambda one: one[0])

    def lessons(self, one: Pass) -> Mapping[int, Boxes | None]:
        """By tick of the pass; nothing for a tick that no line is of.

        Raises UserError where the file says nothing of the source.
        """
        source = self._name(one.source)
        found = {number: self._of(source, tick) for number, tick in enumerate(one.ticks)}
        return {number: said[0] for number, said in found.items() if said}

    def _name(self, source: Path) -> str:
        names = {*self._by_index, *self._by_time}
        for name in (str(source), source.name):
            if name in names:
                return name
        there = ", ".join(sorted(names)[:5]) or "none at all"
        raise UserError(
            f"{self._path}: has no detections of {source}; its sources are: {there}. Name the"
            " source as on the command line, or by the bare name of its file"
        )

    def _of(self, source: str, tick: Tick) -> tuple[Boxes | None] | None:
        by_index = self._by_index.get(source, {})
        if tick.frame_index in by_index:
            return (by_index[tick.frame_index],)
        timed = self._by_time.get(source, [])
        place = bisect_left(timed, tick.time_s, key=lambda one: one[0])
        near = timed[max(0, place - 1) : place + 1]
        nearest = min(near, key=lambda one: abs(one[0] - tick.time_s), default=None)
        if nearest is None or abs(nearest[0] - tick.time_s) > _SAME_MOMENT_S:
            return None
        return (nearest[1],)


def _lines(path: Path) -> list[Line]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: can't be read: {error}") from error
    return [
        _line(path, number, one) for number, one in enumerate(text.splitlines(), 1) if one.strip()
    ]


def _line(path: Path, number: int, text: str) -> Line:
    try:
        line = msgspec.json.decode(text, type=Line)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UserError(
            f'{path}, line {number}: {error}; expected {{"source": …, "frame_index": …, "boxes":'
            ' [{"label", "score", "x1", "y1", "x2", "y2"}]}'
        ) from error
    if line.frame_index is None and line.time_s is None:
        raise UserError(f"{path}, line {number}: has neither frame_index nor time_s")
    return line
