"""Which files are finished."""

from __future__ import annotations

from dataclasses import dataclass

from producers.landed.stores import Found


@dataclass(slots=True)
class _Watched:
    found: Found
    since_us: int


class Settling:
    """A file is finished when it is the same after a while. All times: one monotonic clock, µs."""

    def __init__(self, settle_us: int) -> None:
        self._settle_us = settle_us
        self._watched: dict[str, _Watched] = {}

    def note(self, found: Found, now_us: int) -> bool:
        """A file as it is now; a change starts its time anew. Whether it is the same as before."""
        before = self._watched.get(found.name)
        if before is not None and before.found.version == found.version:
            return True
        self._watched[found.name] = _Watched(found, now_us)
        return False

    def start_anew(self, name: str, now_us: int) -> None:
        """It turns out to be written still."""
        self._watched[name].since_us = now_us

    def drop(self, name: str) -> None:
        """It is gone, or no longer of interest."""
        self._watched.pop(name, None)

    def due(self, now_us: int) -> list[Found]:
        """Those whose time is up, as they were: the same now, they are finished."""
        return [
            one.found for one in self._watched.values() if now_us - one.since_us >= self._settle_us
        ]

    def next_due_us(self) -> int | None:
        """When the first of them is due; None where none is watched."""
        first_us = min((one.since_us for one in self._watched.values()), default=None)
        return None if first_us is None else first_us + self._settle_us

    @property
    def watched(self) -> list[Found]:
        """Files that are not known to be finished."""
        return [one.found for one in self._watched.values()]
