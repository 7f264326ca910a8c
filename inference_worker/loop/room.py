"""How much a worker has in hand, and which partitions it reads no further for a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Final

_UNEVEN_ABOVE: Final = 0.5  # of all room: below, there is enough for everybody
_HOG: Final = 2.0  # times the mean


class Room:
    """Bounded in records and in bytes.

    A partition that holds twice the mean of all is held up once room gets scarce, so that one full
    of a camera's old frames does not keep the others from being read.
    """

    def __init__(self, max_records: int, max_bytes: float) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._held: dict[int, float] = defaultdict(float)  # share of the room, by partition
        self._held_up: set[int] = set()

    def take(self, partition: int, size_bytes: int) -> None:
        """A record came."""
        self._held[partition] += self._share(size_bytes)

    def give(self, partition: int, size_bytes: int) -> None:
        """It is no longer in hand."""
        self._held[partition] = max(0.0, self._held[partition] - self._share(size_bytes))

    def forget(self, partition: int) -> None:
        """It belongs to another worker now, with all that it held."""
        self._held.pop(partition, None)
        self._held_up.discard(partition)

    @property
    def left(self) -> int:
        """Records that may still be read, judged by the size of those in hand."""
        taken = sum(self._held.values())
        return max(0, round((1 - taken) * self._max_records))

    def held_up(self, owned: Collection[int]) -> frozenset[int]:
        """Which of the partitions that are ours are not to be read now."""
        held = {number: self._held.get(number, 0.0) for number in owned}
        taken = sum(held.values())
        for number, share in held.items():
            if taken >= _UNEVEN_ABOVE and share > _HOG * taken / len(held):
                self._held_up.add(number)
            elif share < _UNEVEN_ABOVE / len(held):
                self._held_up.discard(number)
        return frozenset(self._held_up.intersection(held))

    def _share(self, size_bytes: int) -> float:
        return 1 / self._max_records + size_bytes / self._max_bytes
