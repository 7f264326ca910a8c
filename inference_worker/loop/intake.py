"""Records on their way in: what needs no inference goes straight on, frames to the batcher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confluent_kafka import Message

from inference_worker.loop.challenger import Challenge
from inference_worker.loop.engine import Answered, Frame
from inference_worker.loop.results import STAGE, Results
from runtime.context import Context
from runtime.kafka import now_us, place_of, received
from schemas.codec import decode_gated, salvage
from schemas.errors import DecodeError, InvalidMessage
from schemas.messages import Inferred, Kept, Rejected, RejectReason
from vision.jpeg import BadJpeg

_TICK_FIELDS = (
    "camera", "captured_at", "run", "seq", "width", "height", "raw_offset", "stages", "traceparent",
)  # fmt: skip


class Intake:
    """What becomes of each record that is read."""

    def __init__(
        self,
        context: Context,
        results: Results,
        wait: Callable[[Frame], None],
        max_age_s: float | None,
        challenge: Challenge | None = None,
    ) -> None:
        """`wait`: takes a frame that is to be inferred. `max_age_s`: frames that were captured
        longer ago are of no use any more. `challenge`: which of them a challenger looks at.
        """
        self._context = context
        self._results = results
        self._wait = wait
        self.max_age_s = max_age_s
        self._challenge = challenge

    def take(self, message: Message) -> None:
        """A message was read. Raises TooManyFailures."""
        self._context.metrics.count("onehertz_records_taken_total", stage=STAGE)
        place = place_of(message)
        took_us = now_us()
        try:
            record = decode_gated(received(message))
        except DecodeError as error:
            self._take_broken(message, error, took_us)
            return
        ticket = self._results.admit(place, record.camera, len(message.value() or b""))
        if self._challenge is not None and not self._challenge.takes(record):
            self._results.pass_over(ticket)
        elif isinstance(record, Kept):
            frame = Frame(ticket, message, record, took_us)
            if not self.is_stale(frame):
                self._wait(frame)
        else:
            self._results.give(ticket, record, took_us)

    def is_stale(self, frame: Frame) -> bool:
        """Whether the frame is too old to matter; then its tick has gone on as rejected."""
        if self.max_age_s is None:
            return False
        age_s = (now_us() - frame.record.captured_at_us) / 1e6
        if age_s <= self.max_age_s:
            return False
        detail = f"captured {age_s:.1f} s ago, at most {self.max_age_s:g} s are allowed"
        rejected = Rejected(**_tick(frame.record), reason="stale", detail=detail)
        self._results.give(frame.ticket, rejected, frame.took_us)
        return True

    def answer(self, answered: Answered) -> None:
        """A frame has been through the engine. Raises TooManyFailures."""
        frame, answer, model = answered
        if isinstance(answer, InvalidMessage):
            detail = answer.detail
            rejected = Rejected(**_tick(frame.record), reason=_reason(answer), detail=detail)
            self._results.reject(frame.ticket, frame.message, answer, rejected, frame.took_us)
            return
        self._results.succeeded()
        because, score = frame.record.because, frame.record.score
        inferred = Inferred(
            **_tick(frame.record), model=model, boxes=answer, because=because, score=score
        )
        self._results.give(frame.ticket, inferred, frame.took_us)

    def _take_broken(self, message: Message, error: DecodeError, took_us: int) -> None:
        """A message that does not decode: to the dead letters, and its tick goes on as rejected."""
        raw = received(message)
        rejected = salvage(raw, error)
        camera = (
            str((raw.key or b"")[:64], "utf-8", "replace") if rejected is None else rejected.camera
        )
        ticket = self._results.admit(place_of(message), camera, len(message.value() or b""))
        self._results.reject(ticket, message, error, rejected, took_us)


def _tick(record: Kept) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _TICK_FIELDS}


def _reason(error: InvalidMessage) -> RejectReason:
    return error.reason if isinstance(error, BadJpeg) else "failed"
