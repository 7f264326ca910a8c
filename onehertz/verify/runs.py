"""The tick numbers of one camera in one producer run: gap-free, or something was lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

# next: as it must be; beyond: it leaves a gap; late: it fills one; again: it was given before;
# older: it comes before all that can be seen.
Place = Literal["next", "beyond", "late", "again", "older"]


class Stretch(NamedTuple):
    """Numbers `first` to `last` are there; the message with `first` lies at `offset`."""

    first: int
    last: int
    offset: int


class Gap(NamedTuple):
    """Numbers `first` to `last` are missing before the message at `offset` of a partition."""

    first: int
    last: int
    partition: int
    offset: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class Run:
    """Takes the numbers of first occurrences in their order; remembers where they are without gap.

    `whole`: the topic's beginning is still there, so that nothing can be older than what is seen.
    """

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.stretches: list[Stretch] = []  # in the order of their numbers

    def take(self, seq: int, offset: int) -> Place:
        """Where the number stands among those before it."""
        if not self.stretches:
            self.stretches.append(Stretch(seq, seq, offset))
            return "next"
        newest = self.stretches[-1]
        if seq == newest.last + 1:
            self.stretches[-1] = newest._replace(last=seq)
            return "next"
        if seq > newest.last:
            self.stretches.append(Stretch(seq, seq, offset))
            return "beyond"
        if not self.whole and seq < self.stretches[0].first:
            return "older"
        if any(one.first <= seq <= one.last for one in self.stretches):
            return "again"
        self.stretches.append(Stretch(seq, seq, offset))
        self.stretches.sort()
        return "late"


def gaps(runs: Iterable[tuple[int, Run]]) -> list[Gap]:
    """The numbers that are missing in a run, given all partitions (with number) that it is on.

    What a run lacks at its end can't be told: a producer may be killed any time. At its beginning
    it is told where that is still there; runs begin with 0, or, by other producers, with 1.
    """
    runs = list(runs)
    stretches = sorted((one, partition) for partition, run in runs for one in run.stretches)
    whole = all(run.whole for _, run in runs)
    reached = -1 if whole else stretches[0][0].first - 1
    found = []
    for one, partition in stretches:
        begins_with_1 = (reached, one.first) == (-1, 1)
        if one.first > reached + 1 and not begins_with_1:
            found.append(Gap(reached + 1, one.first - 1, partition, one.offset))
        reached = max(reached, one.last)
    return found
