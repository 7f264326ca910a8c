"""From what serves a tick to the record that travels: encoded, named and timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from producers.encoder import Encoder
from producers.sources.base import Picture, SourceError
from schemas.messages import MAX_DETAIL_CHARS, Captured, Missing, from_us

Clock = Callable[[], int]  # µs since 1970


@dataclass(frozen=True, slots=True)
class Recorder:
    """Of one run of a camera. Tick `seq` was captured at `start_at_us` + seq * `interval_us`.

    `clock` only says when the stage took and gave a frame.
    """

    camera: str
    run: str
    start_at_us: int
    interval_us: int
    encoder: Encoder
    clock: Clock

    def record(self, seq: int, outcome: Callable[[], Picture] | SourceError) -> Captured | Missing:
        """`outcome`: makes the picture, or says why there is none."""
        took_us = self.clock()
        if isinstance(outcome, SourceError):
            return self._missing(seq, outcome, took_us)
        try:
            encoded = self.encoder.encode(outcome())
        except SourceError as error:
            return self._missing(seq, error, took_us)
        return Captured(
            camera=self.camera,
            captured_at=from_us(self.captured_at_us(seq)),
            run=self.run,
            seq=seq,
            width=encoded.width,
            height=encoded.height,
            jpeg=encoded.jpeg,
            signature=encoded.signature,
            stages={"produce": (took_us, self.clock())},
        )

    def captured_at_us(self, seq: int) -> int:
        """Capture time of a tick, µs since 1970."""
        return self.start_at_us + seq * self.interval_us

    def _missing(self, seq: int, why: SourceError, took_us: int) -> Missing:
        return Missing(
            camera=self.camera,
            captured_at=from_us(self.captured_at_us(seq)),
            run=self.run,
            seq=seq,
            reason=why.reason,
            detail=why.detail[:MAX_DETAIL_CHARS],
            stages={"produce": (took_us, self.clock())},
        )
