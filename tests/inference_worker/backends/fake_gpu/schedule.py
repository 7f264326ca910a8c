"""Streams and events. Only a stream's own order and events say what runs after what.

`late`     nothing runs until the host waits for it, and then only what the wait needs
`random`   now and then something runs, of any stream that may; seeded
`eager`    everything runs when it is enqueued, as on a GPU that has nothing else to do
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

Policy = Literal["late", "random", "eager"]
POLICIES: tuple[Policy, ...] = ("late", "random", "eager")
Range = tuple[int, int]  # first address, and the one after the last; the device's or the host's


@dataclass(eq=False)
class Operation:
    """One thing in a stream."""

    what: str
    stream: int
    run: Callable[[], None]
    reads: tuple[Range, ...] = ()
    writes: tuple[Range, ...] = ()
    user: object | None = None  # what no other stream may use meanwhile: an execution context
    after: list[Operation] = field(default_factory=list)
    number: int = 0
    done_as: int | None = None  # its place in the order in which operations ran
    settled: bool = False  # the host has waited for it

    def __str__(self) -> str:
        return f"{self.what} on stream {self.stream:#x}"


class Schedule:
    """What is enqueued and what has run. `clash` is told what must not be."""

    def __init__(self, policy: Policy, seed: int, clash: Callable[[str], None]) -> None:
        self.policy = policy
        self.history: list[Operation] = []
        self._open: list[Operation] = []
        self._chance = random.Random(seed)
        self._clash = clash
        self._last: dict[int, Operation] = {}
        self._waits: dict[int, list[Operation]] = {}
        self._numbers = count()
        self._order = count()

    def enqueue(self, operation: Operation) -> Operation:
        operation.number = next(self._numbers)
        if (last := self._last.get(operation.stream)) is not None:
            operation.after.append(last)
        operation.after += self._waits.pop(operation.stream, [])
        self._look_for_clashes(operation)
        self._last[operation.stream] = operation
        self.history.append(operation)
        self._open.append(operation)
        if self.policy == "eager":
            self._run(operation)
        elif self.policy == "random":
            self._some()
        return operation

    def wait(self, stream: int, for_what: Operation) -> None:
        """What comes next on the stream comes after this."""
        self._waits.setdefault(stream, []).append(for_what)

    def finish(self, operation: Operation) -> None:
        """The host waits for it."""
        if self.policy == "random":
            self._some()
        try:
            self._run(operation)
        finally:
            for earlier in _with_all_before(operation):
                earlier.settled = True

    def finish_stream(self, stream: int) -> None:
        for waited in self._waits.get(stream, []):
            self.finish(waited)
        if (last := self._last.get(stream)) is not None:
            self.finish(last)

    def last(self, stream: int) -> Operation | None:
        """What was enqueued on it last."""
        return self._last.get(stream)

    def pending(self) -> list[Operation]:
        return [operation for operation in self.unsettled() if operation.done_as is None]

    def unsettled(self) -> list[Operation]:
        self._open = [operation for operation in self._open if not operation.settled]
        return self._open

    def touching(self, what: Range) -> list[Operation]:
        """Operations that the host has not waited for and that use these addresses."""
        return [
            operation
            for operation in self.unsettled()
            if _overlap((what,), operation.reads + operation.writes)
        ]

    def _look_for_clashes(self, new: Operation) -> None:
        before = set(_with_all_before(new))
        for other in self.unsettled():
            if other in before:
                continue
            shared = new.user is not None and new.user is other.user
            written = _overlap(new.writes, other.reads + other.writes)
            if shared:
                self._clash(f"{new} uses the context that {other} uses, and nothing orders them")
            elif written or _overlap(new.reads, other.writes):
                self._clash(f"{new} and {other} use the same memory, and nothing orders them")

    def _run(self, operation: Operation) -> None:
        for one in sorted(_with_all_before(operation), key=lambda one: one.number):
            if one.done_as is None:
                one.done_as = next(self._order)
                one.run()

    def _some(self) -> None:
        ready = [one for one in self.pending() if all(e.done_as is not None for e in one.after)]
        while ready and self._chance.random() < 0.5:
            chosen = self._chance.choice(ready)
            ready.remove(chosen)
            self._run(chosen)


def _with_all_before(operation: Operation) -> Iterator[Operation]:
    """It and what must come before it, as far as the host hasn't waited for that."""
    seen, todo = {operation}, [operation]
    while todo:
        yield (one := todo.pop())
        new = [earlier for earlier in one.after if earlier not in seen and not earlier.settled]
        seen.update(new)
        todo += new


def _overlap(some: tuple[Range, ...], others: tuple[Range, ...]) -> bool:
    return any(
        start < other_end and other_start < end
        for start, end in some
        for other_start, other_end in others
    )
