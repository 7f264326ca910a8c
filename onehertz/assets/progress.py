"""Who is told how far a fetch is."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars


class Progress(Protocol):
    """Told by `fetch`; all calls come from the thread that called it."""

    def begin(self, what: str, total_bytes: int) -> None:
        """A new transfer; the one before it is over."""

    def reached(self, done_bytes: int) -> None:
        """So much of the current transfer is here."""

    def note(self, text: str) -> None:
        """One line for people."""


class SilentProgress:
    """Tells nobody."""

    def begin(self, what: str, total_bytes: int) -> None: ...

    def reached(self, done_bytes: int) -> None: ...

    def note(self, text: str) -> None: ...


class RichProgress:
    """A bar per transfer and a line per event, on `console` (make it stderr's)."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,  # a log gets the notes alone
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end_task()
        self._bars.stop()

    def begin(self, what: str, total_bytes: int) -> None:
        self._end_task()
        self._task = self._bars.add_task(what, total=total_bytes)

    def reached(self, done_bytes: int) -> None:
        if self._task is not None:
            self._bars.update(self._task, completed=done_bytes)

    def note(self, text: str) -> None:
        self._bars.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _end_task(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
