"""Objects followed from tick to tick, and whether the frames that are kept show them.

A tick is a second or more after the one before, so that a walker's boxes no longer overlap: then
the nearest box of the same kind, in about the same place, is taken to be the same object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from onehertz.evaluate.judging import Boxes, Seen
from onehertz.evaluate.kinds import group_of
from schemas.messages import Box
from vision.boxes import Floats, iou

# Boxes that overlap so much are the same object, whatever else is near.
_LEAST_IOU = 0.3
# Else: how far its centre may have gone, in its own longer sides. A walker goes .8 of his height a
# second.
_REACH = 1.0
# An object that was not seen on so many ticks in a row is another one when it comes back: detectors
# lose an object for a frame or two.
_LOST_AFTER = 3


@dataclass(slots=True)
class Object:
    """One object, and each tick on which it is seen; all of one group of labels, in order."""

    group: str
    ticks: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The one that it bears most often."""
        return Counter(box.label for box in self.boxes).most_common(1)[0][0]

    @property
    def best(self) -> Box:
        """Where it is seen most surely."""
        return max(self.boxes, key=lambda box: box.score)

    def add(self, tick: int, box: Box) -> None:
        """Seen once more."""
        self.ticks.append(tick)
        self.boxes.append(box)

    def first_shown(self, kept: Collection[int]) -> int | None:
        """The first kept tick on which it is seen."""
        return next((tick for tick in self.ticks if tick in kept), None)


def objects(seen: Seen, numbers: Sequence[int], aspect: float = 1.0) -> list[Object]:
    """Those that are seen on the ticks with these numbers, which are in the order of time.

    `aspect`: the frames' width through height.
    """
    if seen.tracks is not None:
        return _known(seen, numbers)
    return follow([(number, seen.boxes[number]) for number in numbers], aspect)


def _known(seen: Seen, numbers: Sequence[int]) -> list[Object]:
    found: dict[tuple[str, int], Object] = {}
    for number in numbers:
        for box, track in zip(seen.boxes[number], (seen.tracks or ())[number], strict=True):
            group = group_of(box.label)
            found.setdefault((group, track), Object(group)).add(number, box)
    return list(found.values())


def follow(ticks: Sequence[tuple[int, Boxes]], aspect: float = 1.0) -> list[Object]:
    """Objects of (tick number, boxes), the numbers rising; in the order in which they appear."""
    found: list[Object] = []
    near: list[Object] = []
    for number, boxes in ticks:
        near = [one for one in near if number - one.ticks[-1] <= _LOST_AFTER]
        appeared: list[Object] = []
        for group in sorted({group_of(box.label) for box in boxes}):
            here = [box for box in boxes if group_of(box.label) == group]
            known = [one for one in near if one.group == group]
            partners = _pair([one.boxes[-1] for one in known], here, aspect)
            for place, box in enumerate(here):
                if place in partners:
                    known[partners[place]].add(number, box)
                else:
                    appeared.append(Object(group, [number], [box]))
        near += appeared
        found += appeared
    return found


def _pair(before: Boxes, now: Boxes, aspect: float) -> dict[int, int]:
    """Which of `before` each of `now` is, by index; those that overlap first, then the nearest."""
    if not before or not now:
        return {}
    old, new = _corners(before, aspect), _corners(now, aspect)
    overlap = iou(old, new)
    apart = np.linalg.norm(_centres(old)[:, None] - _centres(new)[None], axis=2)
    apart /= np.maximum(_longer_sides(old)[:, None], 1e-6)
    # What overlaps costs less than nothing, and so comes first.
    cost = np.where(overlap >= _LEAST_IOU, -overlap, apart)
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for place in np.argsort(cost, axis=None, kind="stable"):
        one, other = divmod(int(place), len(now))
        if cost[one, other] > _REACH:
            break
        if one not in taken and other not in pairs:
            taken.add(one)
            pairs[other] = one
    return pairs


def _corners(boxes: Boxes, aspect: float) -> Floats:
    """In frame heights, so that a length is one whatever its direction."""
    corners = np.array([(box.x1, box.y1, box.x2, box.y2) for box in boxes], np.float64)
    corners[:, ::2] *= aspect
    return corners


def _centres(corners: Floats) -> Floats:
    return np.asarray((corners[:, :2] + corners[:, 2:]) / 2)


def _longer_sides(corners: Floats) -> Floats:
    return np.asarray((corners[:, 2:] - corners[:, :2]).max(axis=1))


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an object. `appears`: it was not there when judging began.

    `delay_ticks`: from the tick that it appears on to the first kept one that shows it; None where
    no kept frame does before it is gone.
    """

    object: Object
    appears: bool
    delay_ticks: int | None


def fates(found: Sequence[Object], numbers: Sequence[int], kept: Collection[int]) -> list[Fate]:
    """Of each object; `numbers`: ticks that are judged, in the order of time."""
    return [_fate(one, numbers[0], kept) for one in found]


def _fate(one: Object, begins: int, kept: Collection[int]) -> Fate:
    shown = one.first_shown(kept)
    return Fate(one, one.ticks[0] > begins, None if shown is None else shown - one.ticks[0])
