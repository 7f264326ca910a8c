"""Per-camera order of all results, and how far each partition may be committed.

Frames wait for their inference; records that need none (unchanged, missing, rejected) are complete
at once, and wait only for their own camera's earlier frames. So results leave in the order of each
camera, but not in the order of the partition; an offset may be committed when everything before it
has left and has been acknowledged by the broker.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Ticket:
    """One record's place in the order. Good for one assignment of its partition."""

    camera: str
    partition: int
    offset: int
    assignment: int
    size_bytes: int = 0  # of the record's value


@dataclass
class _Entry(Generic[Result]):
    ticket: Ticket
    outcome: tuple[Result] | None = None  # once it is there, and until it leaves
    emitted: bool = False
    acknowledged: bool = False


@dataclass
class _Partition(Generic[Result]):
    assignment: int
    next_offset: int | None = None  # first offset that isn't finished; None before any is
    last_admitted: int = -1
    # What is unfinished, by offset and in its order (taking from a dict's front would be slow).
    entries: OrderedDict[int, _Entry[Result]] = field(default_factory=OrderedDict)
    by_camera: dict[str, deque[_Entry[Result]]] = field(default_factory=lambda: defaultdict(deque))


class CameraOrder(Generic[Result]):
    """Lets results out in each camera's order, and knows what is finished.

    A ticket of a partition that was revoked since is stale: whatever still arrives for it, such as
    the boxes of a batch that was running, is ignored.
    """

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition[Result]] = {}
        self._assignments = 0

    def __len__(self) -> int:
        """Records that were admitted and aren't finished: what a worker has in its memory."""
        return sum(len(partition.entries) for partition in self._partitions.values())

    def admit(self, partition: int, offset: int, camera: str, size_bytes: int = 0) -> Ticket:
        """A record was read. Offsets of a partition must rise (gaps are fine: transactions).

        Raises ValueError if they don't.
        """
        state = self._partitions.get(partition)
        if state is None:
            self._assignments += 1
            state = self._partitions[partition] = _Partition(self._assignments)
        if offset <= state.last_admitted:
            raise ValueError(
                f"partition {partition}: offset {offset} came after {state.last_admitted}"
            )
        ticket = Ticket(camera, partition, offset, state.assignment, size_bytes)
        entry = _Entry[Result](ticket)
        state.last_admitted = offset
        state.entries[offset] = entry
        state.by_camera[camera].append(entry)
        return ticket

    def complete(self, ticket: Ticket, result: Result) -> list[tuple[Ticket, Result]]:
        """The record's result is there. Returns what may leave now, in the order to send it.

        Raises ValueError if the record was complete before.
        """
        state = self._current(ticket)
        if state is None:
            return []
        entry = state.entries.get(ticket.offset)
        if entry is None or entry.emitted or entry.outcome is not None:
            raise ValueError(f"{ticket} is complete already")
        entry.outcome = (result,)
        return self._emit(state, ticket.camera)

    def acknowledge(self, ticket: Ticket) -> bool:
        """The broker has the record's result. False if the ticket is stale.

        Raises ValueError if it hasn't left yet, or was acknowledged before.
        """
        state = self._current(ticket)
        if state is None:
            return False
        entry = state.entries.get(ticket.offset)
        if entry is None or not entry.emitted or entry.acknowledged:
            raise ValueError(f"{ticket} is not waiting for an acknowledgement")
        entry.acknowledged = True
        while state.entries:
            offset, first = next(iter(state.entries.items()))
            if not first.acknowledged:
                break
            del state.entries[offset]
            state.next_offset = offset + 1
        return True

    def commit_offset(self, partition: int) -> int | None:
        """The offset to commit: all before it is finished. None if nothing is finished yet."""
        state = self._partitions.get(partition)
        return state.next_offset if state else None

    def revoke(self, partition: int) -> None:
        """The partition belongs to another worker now: forget all that is known of it."""
        self._partitions.pop(partition, None)

    def _current(self, ticket: Ticket) -> _Partition[Result] | None:
        state = self._partitions.get(ticket.partition)
        return state if state and state.assignment == ticket.assignment else None

    def _emit(self, state: _Partition[Result], camera: str) -> list[tuple[Ticket, Result]]:
        waiting = state.by_camera[camera]
        ready: list[tuple[Ticket, Result]] = []
        while waiting and (outcome := waiting[0].outcome) is not None:
            entry = waiting.popleft()
            entry.emitted, entry.outcome = True, None
            ready.append((entry.ticket, outcome[0]))
        if not waiting:
            del state.by_camera[camera]
        return ready
