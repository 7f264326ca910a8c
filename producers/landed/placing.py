"""Where a file begins beside what its camera already has."""

from __future__ import annotations

from runtime.errors import UserError
from schemas.headers import time_text
from schemas.messages import from_us

# Clocks of recorder and producer may differ by so much.
AHEAD_US = 60_000_000
EARLIEST_US = 946_684_800_000_000  # 2000-01-01; the line takes nothing older


def left_out_us(
    start_us: int, *, last_us: int | None, interval_us: int, most_us: int, now_us: int
) -> int:
    """How much of a file's beginning is left out, µs, in whole intervals; mostly 0.

    Files that follow one another often overlap a little, since their names tell whole seconds and
    they are cut at key frames. `start_us`: of the file, `last_us`: the camera's last tick,
    `now_us`: µs since 1970; `most_us`: an overlap up to that is left out.

    Raises UserError where the file can't be placed: it overlaps by more, or lies in the future.
    """
    if start_us > now_us + AHEAD_US:
        raise UserError(f"it begins at {_text(start_us)}, in the future: is its time zone right?")
    if start_us < EARLIEST_US:
        raise UserError(f"it begins at {_text(start_us)}: times before 2000 are refused")
    if last_us is None or start_us > last_us:
        return 0
    overlap_us = last_us - start_us
    if overlap_us > most_us:
        raise UserError(
            f"it begins at {_text(start_us)}, and the camera already has ticks up to"
            f" {_text(last_us)}"
        )
    return (overlap_us // interval_us + 1) * interval_us


def _text(moment_us: int) -> str:
    return time_text(from_us(moment_us))
