"""When a tick may be sent: at once, or as fast as media time goes by."""

from __future__ import annotations

from fractions import Fraction


class Pace:
    """Ticks of `interval_us` at `speed` times real time; None: as fast as it goes.

    All times are microseconds of one monotonic clock. Each tick is due by its own distance from the
    first one, so delays never add up; a tick that is overdue may be sent at once.
    """

    def __init__(
        self, interval_us: int, speed: float | None, started_us: int, first_seq: int = 0
    ) -> None:
        self._interval = None if speed is None else interval_us / Fraction(speed)
        self._started_us = started_us
        self._first_seq = first_seq

    def due_at(self, seq: int) -> int:
        """The moment before which tick `seq` is not to be sent."""
        if self._interval is None:
            return self._started_us
        return self._started_us + round((seq - self._first_seq) * self._interval)

    def wait_us(self, seq: int, now_us: int) -> int:
        """How long to wait for tick `seq`, at least 0: fit for an interruptible wait."""
        return max(0, self.due_at(seq) - now_us)
