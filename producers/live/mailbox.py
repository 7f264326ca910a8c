"""Between the thread that reads a camera and the one that takes its ticks."""

from __future__ import annotations

import threading
from collections import deque

from producers.live.arrivals import Arrival
from producers.sources.base import SourceError

# More than comes within a tick's reach; of a reader that is further ahead, the oldest go.
_LONGEST_QUEUE = 512


class Mailbox:
    """Arrivals in one direction, what is wrong with the connection beside them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._arrivals: deque[Arrival] = deque(maxlen=_LONGEST_QUEUE)
        self._problem: SourceError | None = None
        self._closed = False

    def put(self, arrival: Arrival) -> None:
        with self._changed:
            self._arrivals.append(arrival)
            self._problem = None
            self._changed.notify()

    def fail(self, problem: SourceError) -> None:
        """There is no connection, and why; until the next arrival."""
        with self._changed:
            self._problem = problem
            self._changed.notify()

    def close(self) -> None:
        """Wakes who waits in `take`."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def wait_for_news(self, timeout_s: float = 1.0) -> bool:
        """Whether something has come, be it a frame or a problem."""
        with self._changed:
            return bool(
                self._changed.wait_for(
                    lambda: self._arrivals or self._problem or self._closed, timeout_s
                )
            )

    def first_arrived_us(self) -> int | None:
        """When the oldest arrival that waits came."""
        with self._changed:
            return self._arrivals[0].arrived_us if self._arrivals else None

    def take(self, timeout_s: float) -> list[Arrival]:
        """What has come, oldest first; waits for something up to `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._arrivals or self._closed, max(0.0, timeout_s))
            taken = list(self._arrivals)
            self._arrivals.clear()
            return taken

    @property
    def problem(self) -> SourceError | None:
        """Why there is no connection; None where there is one."""
        with self._changed:
            return self._problem
