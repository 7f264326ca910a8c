"""Which files are finished."""

from __future__ import annotations

from dataclasses import dataclass

from producers.landed.stores import Found


@dataclass(slots=True)
class _Watched:
    found: Found
    since_us: int


class Settling:
    """A file is finished when it has been the same for a while. All times: one monotonic clock."""

    def __init__(self, settle_us: int) -> None:
        self._settle_us = settle_us
        self._watched: dict[str, _Watched] = {}

    def note(self, found: Found, now_us: int) -> None:
        """A file as it is now; a change starts its time anew."""
        before = self._watched.get(found.name)
        if before is None or before.found.version != found.version:
            self._watched[found.name] = _Watched(found, now_us)

    def start_anew(self, name: str, now_us: int) -> None:
        """It turns out to be written still."""
        self._watched[name].since_us = now_us

    def drop(self, name: str) -> None:
        """It is gone, or no longer of interest."""
        self._watched.pop(name, None)

    def settled(self, now_us: int) -> list[Found]:
        """Those that are finished, to be dropped by whoever takes them."""
        return [
            one.found for one in self._watched.values() if now_us - one.since_us >= self._settle_us
        ]

    @property
    def names(self) -> list[str]:
        """Of the files that are watched."""
        return list(self._watched)

    def is_first(self, name: str) -> bool:
        """Whether none of those that are watched comes before that name."""
        return all(name <= other for other in self._watched)
