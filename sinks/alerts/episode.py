"""When an alert is raised and when it ends: the same for every kind of rule.

Fed with known ticks only. A tick of which nothing is known is as if it had not been: it moves
nothing here, and the time it stands for is judged at the next known tick, by its distance.

- A *presence* begins with the first tick at which the condition holds (`began_at`). A break in it
  is bridged unless the condition is known not to have held over `clear_after`: from the first such
  tick (`ended_at`) to the present one, with no tick between at which it held.
- What is known on both sides of a gap counts as continuous if the gap between the two known ticks
  is at most `max_gap`. After a longer one, a presence that has raised no alert begins anew, and a
  break begins anew; a raised alert stays raised: nobody saw it end.
- An alert is raised at a tick at which the condition holds, `for` after `began_at` at the earliest,
  and `cooldown` after the last alert's `ended_at` at the earliest.

All times are microseconds of capture time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from sinks.alerts.kinds import Rule


@dataclass(frozen=True)
class Timing:
    for_us: int
    clear_after_us: int
    cooldown_us: int
    max_gap_us: int

    @classmethod
    def of(cls, rule: Rule) -> Timing:
        seconds = (rule.for_s, rule.clear_after_s, rule.cooldown_s, rule.max_gap_s)
        return cls(*(round(value * 1_000_000) for value in seconds))


@dataclass(frozen=True)
class Step:
    """What a tick brought: the alert that began at `began_us` was raised, or ended."""

    change: Literal["raised", "cleared"]
    began_us: int
    ended_us: int | None = None


class Episode(msgspec.Struct, array_like=True):
    """Where one rule stands on one camera."""

    known_us: int | None = None  # the last known tick
    began_us: int | None = None  # first tick of the presence that goes on
    absent_us: int | None = None  # first tick of the break in it that goes on
    raised: bool = False
    last_ended_us: int | None = None  # end of the last alert

    def take(self, at_us: int, holds: bool, timing: Timing) -> Step | None:
        """One known tick, later than all before it."""
        if self.known_us is not None and at_us - self.known_us > timing.max_gap_us:
            self.absent_us = None
            if not self.raised:
                self.began_us = None
        self.known_us = at_us
        return self._present(at_us, timing) if holds else self._absent(at_us, timing)

    def _present(self, at_us: int, timing: Timing) -> Step | None:
        self.absent_us = None
        if self.began_us is None:
            self.began_us = at_us
        if self.raised or at_us - self.began_us < timing.for_us or self._cools(at_us, timing):
            return None
        self.raised = True
        return Step("raised", self.began_us)

    def _cools(self, at_us: int, timing: Timing) -> bool:
        return self.last_ended_us is not None and at_us - self.last_ended_us < timing.cooldown_us

    def _absent(self, at_us: int, timing: Timing) -> Step | None:
        if self.began_us is None:
            return None
        if self.absent_us is None:
            self.absent_us = at_us
        if at_us - self.absent_us < timing.clear_after_us:
            return None
        began_us, ended_us, raised = self.began_us, self.absent_us, self.raised
        self.began_us = self.absent_us = None
        self.raised = False
        if not raised:
            return None
        self.last_ended_us = ended_us
        return Step("cleared", began_us, ended_us)
