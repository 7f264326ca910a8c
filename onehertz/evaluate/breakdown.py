"""What becomes of boxes and objects, counted by class and by size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from onehertz.evaluate.judging import Decided, Seen, Tick
from onehertz.evaluate.kinds import size_of
from onehertz.evaluate.objects import Fate
from schemas.messages import Box
from vision.scores import matches

Row = dict[str, int | float | None]


@dataclass(slots=True)
class Counts:
    """Of one class or size."""

    boxes: int = 0  # that the judge sees
    found: int = 0  # of those, in what their tick inherits
    wrong: int = 0  # inherited, and not there
    objects: int = 0
    shown: int = 0  # objects that a kept frame shows
    onsets: int = 0  # objects that appear
    caught: int = 0  # of those, shown before they are gone

    def add(self, other: Counts) -> None:
        """Those of another pass."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def row(self) -> Row:
        """What `--json` prints."""
        wrong = self.boxes - self.found + self.wrong
        return {
            "boxes": self.boxes,
            "recall": share(self.found, self.boxes),
            "f1": share(2 * self.found, 2 * self.found + wrong),
            "objects": self.objects,
            "objects_shown": self.shown,
            "onsets": self.onsets,
            "onset_recall": share(self.caught, self.onsets),
        }


class Breakdown:
    """Counts by the class of a box or object, and by its size."""

    def __init__(self) -> None:
        self.by_class: dict[str, Counts] = defaultdict(Counts)
        self.by_size: dict[str, Counts] = defaultdict(Counts)

    def add(self, other: Breakdown) -> None:
        """That of another pass."""
        for label, counts in other.by_class.items():
            self.by_class[label].add(counts)
        for size, counts in other.by_size.items():
            self.by_size[size].add(counts)

    def of(self, label: str, box: Box, tick: Tick) -> Iterable[Counts]:
        """Where such a box on that tick counts."""
        return self.by_class[label], self.by_size[size_of(box, tick.width, tick.height)]


def break_down(
    ticks: Sequence[Tick], decided: Iterable[Decided], seen: Seen, found: Iterable[Fate]
) -> Breakdown:
    """Of the ticks decided on, and of the objects found on them."""
    counted = Breakdown()
    for one in decided:
        _count_boxes(counted, ticks, one, seen)
    for fate in found:
        best = fate.object.best
        tick = ticks[fate.object.ticks[fate.object.boxes.index(best)]]
        for counts in counted.of(fate.object.label, best, tick):
            counts.objects += 1
            counts.shown += fate.delay_ticks is not None
            counts.onsets += fate.appears
            counts.caught += fate.appears and fate.delay_ticks is not None
    return counted


def _count_boxes(counted: Breakdown, ticks: Sequence[Tick], one: Decided, seen: Seen) -> None:
    inherited, boxes = seen.boxes[one.same_as], seen.boxes[one.number]
    pairs = (
        [(place, place) for place in range(len(boxes))] if one.kept else matches(inherited, boxes)
    )
    right, found = {ours for ours, _ in pairs}, {theirs for _, theirs in pairs}
    for place, box in enumerate(boxes):
        for counts in counted.of(box.label, box, ticks[one.number]):
            counts.boxes += 1
            counts.found += place in found
    for place, box in enumerate(inherited):
        for counts in counted.of(box.label, box, ticks[one.same_as]):
            counts.wrong += place not in right


def share(part: int, whole: int) -> float | None:
    """Of 1; None where there is nothing to divide by."""
    return round(part / whole, 4) if whole else None
