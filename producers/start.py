"""The capture time of a camera's first tick, and the name of the run that begins with it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

from runtime.errors import UserError
from schemas.messages import to_us

StartAt = datetime | Literal["now", "file"]


def start_us(
    start_at: StartAt,
    *,
    now_us: int,
    recorded_at_us: int | None,
    length_us: int | None,
    speed: float | None,
) -> int:
    """When tick 0 was captured, µs since 1970.

    "now" never lets capture times run ahead of the clock, since frames from the future are rejected
    downstream: a source that is played faster than it went by begins so much earlier that its end
    comes out at the present. "file" is when the source says that it was recorded.

    Raises UserError where the source does not say, or has no end to go back from.
    """
    if isinstance(start_at, datetime):
        return to_us(start_at)
    if start_at == "file":
        if recorded_at_us is None:
            raise UserError(
                "start_at: file, but the source does not say when it was recorded: "
                'give a time such as 2026-03-01T12:00:00Z, or "now"'
            )
        return recorded_at_us
    if speed is not None and speed <= 1.0:
        return now_us
    if length_us is None:
        raise UserError(
            "start_at: now, but the source is endless and played faster than real time, so its "
            "times would run into the future: set speed: 1, or give start_at a time long past"
        )
    return now_us - length_us + (0 if speed is None else round(length_us / speed))


def run_id(camera: str, identity: str, interval_us: int, start_at_us: int) -> str:
    """The same for the same frames of the same camera at the same times, and for nothing else.

    So a producer that is killed and started again repeats its (run, seq) pairs, and the line takes
    them for what they are: repeats. How pictures are encoded and how often they are looped is not
    in it: the ticks stay what they were.
    """
    told = "\n".join([camera, identity, str(interval_us), str(start_at_us)])
    return hashlib.sha256(told.encode()).hexdigest()[:32]
