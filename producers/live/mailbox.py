"""Between the thread that reads a camera and the one that takes its ticks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from producers.live.arrivals import Arrival
from producers.sources.base import SourceError

# More than comes within a tick's reach; of a reader that is further ahead, the oldest go.
_LONGEST_QUEUE = 512


def anything(_: Arrival) -> bool:
    """What wakes whoever waits for any arrival."""
    return True


class Mailbox:
    """Arrivals in one direction, what is wrong beside them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._arrivals: deque[Arrival] = deque(maxlen=_LONGEST_QUEUE)
        self._problem: SourceError | None = None
        self._failed = False
        self._closed = False
        self._wakes: Callable[[Arrival], bool] = anything

    def put(self, arrival: Arrival) -> None:
        with self._changed:
            self._arrivals.append(arrival)
            self._problem, self._failed = None, False
            if self._wakes(arrival):
                self._changed.notify()

    def fail(self, problem: SourceError) -> None:
        """There is no frame, and why; until the next arrival."""
        with self._changed:
            self._problem, self._failed = problem, True
            self._changed.notify()

    def explain(self, problem: SourceError) -> None:
        """The connection stands, and why there is no frame yet; nobody is woken for it."""
        with self._changed:
            self._problem, self._failed = problem, False

    def close(self) -> None:
        """Wakes who waits in `take`."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def wait_for_news(self, timeout_s: float) -> None:
        """Until a frame has come, or it is known that there is no connection."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._arrivals or self._failed or self._closed, timeout_s
            )

    def first_arrived_us(self) -> int | None:
        """When the oldest arrival that waits came."""
        with self._changed:
            return self._arrivals[0].arrived_us if self._arrivals else None

    def take(self, timeout_s: float, wakes: Callable[[Arrival], bool] = anything) -> list[Arrival]:
        """What has come, oldest first; waits up to `timeout_s` for something that `wakes`.

        25 frames a second would otherwise wake 25 times, for one that is wanted.
        """
        with self._changed:
            self._wakes = wakes
            self._changed.wait_for(
                lambda: self._closed or any(map(wakes, self._arrivals)), max(0.0, timeout_s)
            )
            self._wakes = anything
            taken = list(self._arrivals)
            self._arrivals.clear()
            return taken

    @property
    def problem(self) -> SourceError | None:
        """Why there is no frame; None where they come."""
        with self._changed:
            return self._problem
