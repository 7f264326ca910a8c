"""The tick numbers of one camera in one producer run: gap-free, or something was lost."""

from __future__ import annotations

from typing import Literal, NamedTuple

# next: as it must be; beyond: it leaves a gap; late: it fills one; again: it was given before;
# older: it comes before all that can be seen.
Place = Literal["next", "beyond", "late", "again", "older"]


class Gap(NamedTuple):
    """Numbers `first` to `last` are missing before the message at `offset`."""

    first: int
    last: int
    offset: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class Run:
    """Takes the numbers of first occurrences in their order; remembers the ends and the gaps.

    `whole`: the topic's beginning is still there, so that nothing can be older than what is seen.
    """

    def __init__(self, *, whole: bool) -> None:
        self.gaps: list[Gap] = []
        self._whole = whole
        self._first: int | None = None
        self._last = -1

    def take(self, seq: int, offset: int) -> Place:
        """Where the number stands among those before it."""
        if self._first is None:
            self._first = self._last = seq
            return "next"
        if seq == self._last + 1:
            self._last = seq
            return "next"
        if seq > self._last:
            self.gaps.append(Gap(self._last + 1, seq - 1, offset))
            self._last = seq
            return "beyond"
        if seq >= self._first:
            return self._fill(seq)
        if not self._whole:
            return "older"
        if seq + 1 < self._first:
            self.gaps.insert(0, Gap(seq + 1, self._first - 1, offset))
        self._first = seq
        return "late"

    @property
    def first(self) -> int:
        return self._first or 0

    def _fill(self, seq: int) -> Place:
        for index, gap in enumerate(self.gaps):
            if gap.first <= seq <= gap.last:
                parts = [gap._replace(last=seq - 1), gap._replace(first=seq + 1)]
                self.gaps[index : index + 1] = [part for part in parts if part.size > 0]
                return "late"
        return "again"
