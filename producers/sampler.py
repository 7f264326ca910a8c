"""Which frame serves which tick.

Tick k is at k * interval of media time. It is served by the frame nearest to that moment among the
frames that are nearer to it than to any other tick (half-way belongs to the later tick; of two that
are equally near, the earlier frame serves).
So no frame serves two ticks, an irregular 1 fps source loses none to jitter, and the choice for one
tick depends on the frames around it alone: sampling may begin at any tick with the same result.

A source has the ticks up to its last frame: an hour at 25 fps, whose last frame is at 3,599.96 s,
has 3,600 at 1 Hz (0 to 3,599). A tick with no frame nearer than half an interval is missing: there
is a gap of more than an interval in the source's own times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from producers.sources.base import SourceError, SourceFrame


@dataclass(frozen=True, slots=True)
class Sample:
    """A tick, and the frame that serves it, or why there is none."""

    tick: int
    outcome: SourceFrame | SourceError


def first_needed_us(tick: int, interval_us: int) -> int:
    """Media time from which on frames matter to `tick` and the ticks after it."""
    return max(0, tick * interval_us - interval_us // 2)


def sample(
    frames: Iterable[SourceFrame], interval_us: int, first_tick: int = 0
) -> Iterator[Sample]:
    """One `Sample` per tick from `first_tick` on, in order, none left out.

    `frames`: in order of media time, from `first_needed_us(first_tick)` or earlier. A tick is given
    as soon as no later frame could serve it better.
    """
    choice = _Choice(interval_us, first_tick)
    last_us = -1
    for frame in frames:
        nearest = (frame.media_time_us + interval_us // 2) // interval_us
        while choice.tick < nearest:
            yield choice.close()
        if choice.tick == nearest and choice.consider(frame):
            yield choice.close()
        last_us = frame.media_time_us
    if choice.tick * interval_us <= last_us:
        yield choice.close()


class _Choice:
    """The tick that is being decided, and the best that has been seen for it."""

    def __init__(self, interval_us: int, tick: int) -> None:
        self._interval_us = interval_us
        self._best: SourceFrame | None = None
        self._damage: str | None = None
        self.tick = tick

    def consider(self, frame: SourceFrame) -> bool:
        """Whether the tick is decided: a good frame has come at or after its moment."""
        if frame.damage is not None:
            self._damage = frame.damage
            return False
        if self._best is None or self._distance_us(frame) < self._distance_us(self._best):
            self._best = frame
        return frame.media_time_us >= self.tick * self._interval_us

    def close(self) -> Sample:
        """The tick as it is decided now; on to the next one."""
        outcome: SourceFrame | SourceError
        if self._best is not None:
            outcome = self._best
        elif self._damage is not None:
            outcome = SourceError("undecodable", self._damage)
        else:
            outcome = SourceError("stalled", self._gap())
        sample = Sample(self.tick, outcome)
        self.tick += 1
        self._best = self._damage = None
        return sample

    def _distance_us(self, frame: SourceFrame) -> int:
        return abs(frame.media_time_us - self.tick * self._interval_us)

    def _gap(self) -> str:
        at_s, half_s = self.tick * self._interval_us / 1e6, self._interval_us / 2e6
        return f"no frame between {at_s - half_s:.3f} s and {at_s + half_s:.3f} s of the source"
