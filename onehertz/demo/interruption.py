"""Ctrl-C and SIGTERM: the first one ends the demo well, a second one at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, Literal, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal came where nothing is worth finishing. What was started is stopped on its way up."""


class Interruption:
    """What to do about signals, while it is entered. Main thread only.

    At first each raises Interrupted. `noted()` is for the time in which cameras play: there the
    first is only noted, for the loop to look at `requested`, and the second raises. Once one has
    raised, further ones are ignored: the stopping that it set off is not to be broken off halfway.
    """

    def __init__(self) -> None:
        self._number: int | None = None  # of the first signal
        self._then: Literal["raise", "note", "ignore"] = "raise"
        self._before: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._number is not None

    @property
    def exit_code(self) -> int:
        """128 + number of the signal, as a shell would say it: 130 for Ctrl-C."""
        return 128 + (self._number or 0)

    def __enter__(self) -> Self:
        self._before = {one: signal.signal(one, self._handle) for one in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Where the first signal is only noted."""
        self._then = "note"
        yield
        self.ignore()

    def ignore(self) -> None:
        """From here on all is being stopped anyway."""
        self._then = "ignore"

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        first = self._number is None
        if first:
            self._number = number
        if self._then == "ignore" or (self._then == "note" and first):
            return
        self._then = "ignore"
        raise Interrupted
