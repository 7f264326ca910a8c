"""Which CUDA context is current in which thread, as PyCUDA keeps it."""

from __future__ import annotations

import threading
from typing import Protocol


class AContext(Protocol):
    valid: bool
    thread: threading.Thread


class ContextStacks:
    """A stack for each thread, of the `Context` objects that it pushed."""

    def __init__(self) -> None:
        self._stacks: dict[threading.Thread, list[AContext]] = {}

    def push(self, context: AContext) -> None:
        self._mine().append(context)

    def pop(self) -> bool:
        """False if there was none."""
        if self.current() is None:
            return False
        self._mine().pop()
        return True

    def current(self) -> AContext | None:
        mine = self._mine()
        while mine and not mine[-1].valid:
            mine.pop()
        return mine[-1] if mine else None

    def may_free(self, context: AContext) -> bool:
        """Whether PyCUDA frees what was made under it: elsewhere it warns, and leaks."""
        if not context.valid:
            return False
        return self.current() is context or context.thread is threading.current_thread()

    def left_behind(self) -> list[str]:
        """A thread that ends with a context on its stack makes PyCUDA abort the process.

        One that was given back is off the stack only once its thread has looked for the current.
        """
        self.current()
        return [
            f"{len(stack)} contexts on the stack of {thread.name}"
            for thread, stack in self._stacks.items()
            if stack
        ]

    def _mine(self) -> list[AContext]:
        return self._stacks.setdefault(threading.current_thread(), [])
