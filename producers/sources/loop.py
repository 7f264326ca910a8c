"""A source played several times, as if it were one long one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from producers.sources.base import Frames, Source, SourceFrame
from runtime.errors import UserError


class LoopedSource:
    """`times` passes over a source, or (None) passes without end; media time goes on rising."""

    def __init__(self, source: Source, times: int | None) -> None:
        self._source = source
        self._times = times

    @property
    def identity(self) -> str:
        """That of the source: one more pass adds frames and changes none."""
        return self._source.identity

    @property
    def recorded_at_us(self) -> int | None:
        return self._source.recorded_at_us

    def frames(self, from_us: int = 0) -> Frames:
        once_us = self._once_us()
        first = from_us // once_us
        passes = count(first) if self._times is None else range(first, self._times)
        for number in passes:
            begins_us = number * once_us
            yield from self._one_pass(begins_us, max(0, from_us - begins_us), once_us)

    def _one_pass(self, begins_us: int, from_us: int, once_us: int) -> Iterator[SourceFrame]:
        for frame in self._source.frames(from_us):
            if frame.media_time_us >= once_us:
                return  # it would overtake the first frame of the next pass
            yield replace(frame, media_time_us=begins_us + frame.media_time_us)

    def length_us(self) -> int | None:
        return None if self._times is None else self._times * self._once_us()

    def close(self) -> None:
        self._source.close()

    def _once_us(self) -> int:
        once_us = self._source.length_us()
        if once_us is None:
            raise UserError("an endless source can't be looped: leave `loop` at 1")
        return once_us
