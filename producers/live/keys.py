"""How often a stream can be entered: the time between its key frames, measured while it runs."""

from __future__ import annotations

from collections import deque
from statistics import median

_REMEMBERED = 5


class KeyIntervals:
    """Median of the last few; or how long the next one has been awaited, where that is more."""

    def __init__(self) -> None:
        self._intervals_us: deque[int] = deque(maxlen=_REMEMBERED)
        self._last_us: int | None = None

    def note(self, arrived_us: int) -> None:
        """A key frame has come."""
        if self._last_us is not None:
            self._intervals_us.append(arrived_us - self._last_us)
        self._last_us = arrived_us

    def expected_us(self, now_us: int) -> int:
        """Time from one key frame to the next, µs; 0 while nothing is known of it."""
        known = round(median(self._intervals_us)) if self._intervals_us else 0
        awaited = 0 if self._last_us is None else now_us - self._last_us
        return max(known, awaited)
