"""From what serves a tick to the record that travels: encoded, named and timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from producers.edge import EdgeGate, Weighed
from producers.encoder import Encoder, Prepared
from producers.sources.base import Picture, SourceError
from schemas.messages import (
    MAX_DETAIL_CHARS,
    Captured,
    Missing,
    RawRecord,
    Unchanged,
    frame_id,
    from_us,
)

FROZEN = "frozen: the camera gives the same picture again and again"
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
    gate: EdgeGate | None = None  # of this run; None: the server's gate decides

    def record(self, seq: int, outcome: Callable[[], Picture] | SourceError) -> RawRecord:
        """`outcome`: makes the picture, or says why there is none."""
        took_us = self.clock()
        if isinstance(outcome, SourceError):
            return self._missing(seq, outcome, took_us)
        try:
            prepared = self.encoder.prepare(outcome())
            if self.gate is None:
                return self._captured(seq, prepared, None, took_us)
            return self._gated(self.gate, seq, prepared, took_us)
        except SourceError as error:
            return self._missing(seq, error, took_us)

    def _gated(self, gate: EdgeGate, seq: int, prepared: Prepared, took_us: int) -> RawRecord:
        """Raises SourceError."""
        at_us = self.captured_at_us(seq)
        size = prepared.width, prepared.height
        weighed = gate.weigh(prepared.luma, frame_id(self.camera, at_us), at_us, size)
        record: RawRecord
        if weighed.frozen:
            record = self._missing(seq, SourceError("stalled", FROZEN), took_us)
        elif weighed.because is None:
            record = Unchanged(
                **self._tick(seq, took_us),
                width=prepared.width,
                height=prepared.height,
                same_as=frame_id(self.camera, weighed.same_as_us),
                score=weighed.score,
            )
        else:
            record = self._captured(seq, prepared, weighed, took_us)
        gate.settle(weighed)
        return record

    def _captured(
        self, seq: int, prepared: Prepared, kept: Weighed | None, took_us: int
    ) -> Captured:
        """Raises SourceError."""
        encoded = self.encoder.finish(prepared)  # before the tick says when it was given on
        return Captured(
            **self._tick(seq, took_us),
            width=encoded.width,
            height=encoded.height,
            jpeg=encoded.jpeg,
            signature=encoded.signature,
            because=kept.because if kept else None,
            score=kept.score if kept else 0.0,
        )

    def captured_at_us(self, seq: int) -> int:
        """Capture time of a tick, µs since 1970."""
        return self.start_at_us + seq * self.interval_us

    def _missing(self, seq: int, why: SourceError, took_us: int) -> Missing:
        detail = why.detail[:MAX_DETAIL_CHARS]
        return Missing(**self._tick(seq, took_us), reason=why.reason, detail=detail)

    def _tick(self, seq: int, took_us: int) -> dict[str, Any]:
        """What every record says. It is given on now."""
        return {
            "camera": self.camera,
            "captured_at": from_us(self.captured_at_us(seq)),
            "run": self.run,
            "seq": seq,
            "stages": {"produce": (took_us, self.clock())},
        }
