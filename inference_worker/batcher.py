"""When a batch closes: when it is full, or when its oldest frame has waited its budget."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Batcher(Generic[Item]):
    """Collects frames in the order in which they come.

    Time is the caller's: milliseconds of any clock that never steps back.
    """

    def __init__(self, max_batch: int, max_wait_ms: float) -> None:
        """Raises ValueError for a batch of less than 1 or a negative wait."""
        if max_batch < 1 or max_wait_ms < 0:
            raise ValueError(f"a batch of {max_batch} within {max_wait_ms} ms makes no sense")
        self._max_batch = max_batch
        self._max_wait_ms = max_wait_ms
        self._waiting: deque[tuple[float, Item]] = deque()  # when it is due at the latest, and what

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Item, now_ms: float) -> None:
        """`item` came at `now_ms`. It may make the batch full: call `take` next."""
        self._waiting.append((now_ms + self._max_wait_ms, item))

    def take(self, now_ms: float) -> tuple[Item, ...]:
        """The oldest batch if it has closed, else nothing. Call again until nothing comes."""
        if len(self._waiting) >= self._max_batch or self._overdue(now_ms):
            return self.flush()
        return ()

    def flush(self) -> tuple[Item, ...]:
        """The oldest frames, up to a full batch, closed or not: nothing more will come."""
        size = min(self._max_batch, len(self._waiting))
        return tuple(self._waiting.popleft()[1] for _ in range(size))

    def due_at_ms(self) -> float | None:
        """When the open batch closes though it isn't full; None if nothing waits."""
        return self._waiting[0][0] if self._waiting else None

    def drop(self, unwanted: Callable[[Item], bool]) -> None:
        """Forget frames, such as those of a partition that now belongs to another worker."""
        self._waiting = deque(entry for entry in self._waiting if not unwanted(entry[1]))

    def _overdue(self, now_ms: float) -> bool:
        return bool(self._waiting) and self._waiting[0][0] <= now_ms
