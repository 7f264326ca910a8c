"""Where the demo tells what it does: a line for each step, and the live table below them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from onehertz.demo.table import live_table
from onehertz.demo.watch import View

_LOOK_EVERY_S = 1.0
_LINE_EVERY_S = 10.0


class Screen:
    """A terminal with a live table; anything else gets a line every few seconds instead.

    `clock`: seconds since the command was started; every line begins with them.
    """

    def __init__(self, console: Console, clock: Callable[[], float], *, live: bool) -> None:
        self.console = console
        self._clock = clock
        self._live = Live(console=console, auto_refresh=False, transient=True) if live else None
        self._looked_at_s = self._line_at_s = float("-inf")

    def say(self, line: str) -> None:
        """Print a line, above the table where there is one. Any thread may call it."""
        self.console.print(
            f"{self._clock():5.1f} s  {line}", soft_wrap=True, highlight=False, markup=False
        )

    @contextmanager
    def table(self) -> Iterator[None]:
        """While the table is shown."""
        if self._live is None:
            yield
            return
        with self._live:
            yield

    def is_due(self) -> bool:
        """Whether it is time for another look at the line."""
        return time.monotonic() - self._looked_at_s >= _LOOK_EVERY_S

    def show(self, view: View, planned: int, phase: str) -> None:
        """Show the line as it is now. `planned`: ticks per camera at the end."""
        self._looked_at_s = time.monotonic()
        if self._live is not None:
            self._live.update(live_table(view, planned, phase, self.console.width), refresh=True)
        elif self._looked_at_s - self._line_at_s >= _LINE_EVERY_S:
            self._line_at_s = self._looked_at_s
            total = planned * len(view.cameras)
            lags = ", ".join(f"{stage} {lag}" for stage, lag in view.lags.items())
            self.say(
                f"{phase}: {view.rows}/{total} rows, {view.detections} detections; lag: {lags}"
            )
