"""What a group commits so that nothing of a partition is left behind it. Pure.

The end of a transaction is a record too, a marker that no reader is handed. A group that commits
the offset behind the last record that it was handed stays one short of the end for ever: whoever
scales by lag never sees zero, and when retention takes the marker, the offset counts as expired.
The client tells where the end is that it has come to: what is done up to there is done.
"""

from __future__ import annotations

from collections.abc import Iterable

Place = tuple[str, int]  # topic, partition


class Positions:
    """Of each partition: what was handed out, what of it is done, and its end, while known."""

    def __init__(self) -> None:
        self._handed: dict[Place, int] = {}  # the offset behind the last record handed out
        self._done: dict[Place, int] = {}
        self._end: dict[Place, int] = {}  # known while nothing was handed out since

    def start(self, place: Place, at: int) -> None:
        self._handed[place] = self._done[place] = at
        self._end.pop(place, None)

    def forget(self, places: Iterable[Place]) -> None:
        for place in places:
            for known in (self._handed, self._done, self._end):
                known.pop(place, None)

    def handed_out(self, place: Place, offset: int) -> None:
        """A record of an owned partition."""
        self._handed[place] = offset + 1
        self._end.pop(place, None)

    def done(self, place: Place, at: int) -> int:
        """Everything before `at` is done: the offset to commit."""
        self._done[place] = at
        return self._committable(place)

    def at_end(self, place: Place, end: int) -> int | None:
        """Nothing but markers lies before `end`: what is to be committed now, if anything."""
        if place not in self._handed:
            return None
        self._end[place] = end
        at = self._committable(place)
        return at if at > self._done[place] else None

    def _committable(self, place: Place) -> int:
        at = self._done[place]
        return max(at, self._end.get(place, at)) if at == self._handed.get(place) else at
