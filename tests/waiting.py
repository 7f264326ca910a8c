"""Waiting for something to become so, instead of sleeping for as long as it might take."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.02


class TooLate(AssertionError):
    """What was waited for has not become so."""


def eventually(
    condition: Callable[[], T],
    within_s: float = 15.0,
    *,
    why: str = "",
    every_s: float = _POLL_S,
) -> T:
    """The first true value that `condition` gives. Raises TooLate if none comes in time."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TooLate(f"not so within {within_s:g} s: {why or condition}")
        Event().wait(every_s)
