"""When a source that is asked for each of its pictures is to be asked."""

from __future__ import annotations

import threading
from collections.abc import Callable


class TickDemand:
    """At each tick's moment, while it is open."""

    def __init__(self, interval_us: int, clock: Callable[[], int]) -> None:
        """`clock`: µs, monotonic. The first tick is now."""
        self._interval_us = interval_us
        self._clock = clock
        self._first_due_us = clock()
        self.asked = -1  # the last tick that was asked for
        self._closed = threading.Event()

    def begin(self, first_due_us: int) -> None:
        """From now on ticks are due from that moment on."""
        self._first_due_us, self.asked = first_due_us, -1

    def wait(self) -> bool:
        """See `producers.live.arrivals.Demand`. A tick that has gone by is not asked for."""
        now_us = self._clock()
        coming = -(-(now_us - self._first_due_us) // self._interval_us)
        self.asked = max(self.asked + 1, coming)
        due_us = self._first_due_us + self.asked * self._interval_us
        return not self._closed.wait(max(0, due_us - now_us) / 1e6)

    def close(self) -> None:
        """Wakes who waits."""
        self._closed.set()
