"""Which arrival serves which tick of a live camera.

Tick k is due at its own moment. It is served by what arrived within its reach, half an interval (at
most 5 s) before and after:

- by the newest whole frame that is there when it is due, else by the first whole one that comes;
- at the end of its reach, where none came, by the newest frame that is not whole;
- by that one at once where whole ones come too seldom to be waited for.

For a whole frame that has served no tick, the reach begins a fifth earlier. Otherwise, of key
frames that come once an interval and half way between two ticks, jitter would put now two and now
none into a reach (simulated with ±50 ms: none for 904 ticks in an hour; with it for 0).

No frame serves two ticks; and ticks are due by their own distance from the first one, so nothing
adds up: an hour at 1 Hz has 3,600.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from producers.live.arrivals import Arrival

LONGEST_REACH_US = 5_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """A tick, and the arrival that serves it, if any."""

    tick: int
    arrival: Arrival | None


class Chooser:
    """Fed with arrivals in their order; gives ticks in theirs. All times are of one clock, µs."""

    def __init__(self, interval_us: int, first_due_us: int) -> None:
        self._interval_us = interval_us
        self._first_due_us = first_due_us
        self._reach_us = min(interval_us // 2, LONGEST_REACH_US)
        self._whole_reach_us = self._reach_us + self._reach_us // 5
        self._whole: Arrival | None = None
        self._newest: Arrival | None = None
        self.tick = 0

    @property
    def due_us(self) -> int:
        """When the next tick is due."""
        return self._first_due_us + self.tick * self._interval_us

    def wake_us(self, now_us: int) -> int:
        """When to ask again, if nothing arrives before."""
        return self.due_us if now_us < self.due_us else self.due_us + self._reach_us

    def wakes(self, now_us: int, arrival: Arrival) -> bool:
        """Whether an arrival would decide a tick now: before its moment none does."""
        return now_us >= self.due_us and (arrival.whole or not arrival.patient)

    def offer(self, arrival: Arrival) -> Iterator[Choice]:
        """Take note of an arrival; gives the ticks that are decided by that."""
        yield from self.decide(arrival.arrived_us)
        reach_us = self._whole_reach_us if arrival.whole else self._reach_us
        if arrival.arrived_us < self.due_us - reach_us:
            return  # of a tick that has been served
        self._newest = arrival
        # After its moment the first one serves; before, the newest.
        if arrival.whole and (self._whole is None or arrival.arrived_us < self.due_us):
            self._whole = arrival
        yield from self.decide(arrival.arrived_us)

    def decide(self, now_us: int) -> Iterator[Choice]:
        """The ticks that are decided at this moment."""
        while now_us >= self.due_us:
            over = now_us >= self.due_us + self._reach_us
            if self._whole is not None:
                yield self._close(self._whole)
            elif self._newest is not None and (over or not self._newest.patient):
                yield self._close(self._newest)
            elif over:
                yield self._close(None)
            else:
                return

    def _close(self, arrival: Arrival | None) -> Choice:
        choice = Choice(self.tick, arrival)
        self.tick += 1
        self._whole = self._newest = None
        return choice
