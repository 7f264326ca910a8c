"""How much a worker has in hand, and which partitions it reads no further for a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

_UNEVEN_ABOVE: Final = 0.5  # of all room: below, there is enough for everybody
_HOG: Final = 2.0  # times the mean


@dataclass
class _Held:
    """Of one partition."""

    records: int = 0
    size_bytes: int = 0


class Room:
    """Bounded in records and in bytes.

    A partition that holds twice the mean of all is held up once room gets scarce, so that one full
    of a camera's old frames does not keep the others from being read.
    """

    def __init__(self, max_records: int, max_bytes: float) -> None:
        self._held: dict[int, _Held] = defaultdict(_Held)  # by partition
        self._held_up: set[int] = set()
        self.limit(max_records, max_bytes)

    def limit(self, max_records: int, max_bytes: float) -> None:
        """Other limits from now on. What is in hand beyond them stays."""
        self._max_records = max_records
        self._max_bytes = max_bytes

    def take(self, partition: int, size_bytes: int) -> None:
        """A record came."""
        held = self._held[partition]
        held.records += 1
        held.size_bytes += size_bytes

    def give(self, partition: int, size_bytes: int) -> None:
        """It is no longer in hand."""
        held = self._held[partition]
        held.records -= 1
        held.size_bytes -= size_bytes

    def forget(self, partition: int) -> None:
        """It belongs to another worker now, with all that it held."""
        self._held.pop(partition, None)
        self._held_up.discard(partition)

    @property
    def left(self) -> int:
        """Records that may still be read, judged by the size of those in hand."""
        taken = sum(map(self._share, self._held.values()))
        return max(0, round((1 - taken) * self._max_records))

    def held_up(self, owned: Collection[int]) -> frozenset[int]:
        """Which of the partitions that are ours are not to be read now."""
        held = {n: self._share(self._held[n]) if n in self._held else 0.0 for n in owned}
        taken = sum(held.values())
        for number, share in held.items():
            if taken >= _UNEVEN_ABOVE and share > _HOG * taken / len(held):
                self._held_up.add(number)
            elif share < _UNEVEN_ABOVE / len(held):
                self._held_up.discard(number)
        return frozenset(self._held_up.intersection(held))

    def _share(self, held: _Held) -> float:
        """Of all room."""
        return held.records / self._max_records + held.size_bytes / self._max_bytes
