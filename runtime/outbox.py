"""What a stage with state still has to publish: outputs, snapshots and offsets that go together.

Pure bookkeeping, one object per process. Outputs leave with every batch; offsets move forward only
in a batch that carries the snapshots of every camera that has changed. So whatever is committed
last, a new owner that reads the snapshots and goes on at the committed offset has the very state
that the old one had there.

A stage may have a second input, `feedback`: it moves states and gives no outputs. How far it was
taken moves with the snapshots too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from schemas.codec import Wire


class Output(NamedTuple):
    """A message and where it goes."""

    topic: str
    partition: int
    wire: Wire


class Batch(NamedTuple):
    """What one transaction carries. `offsets` names every owned partition: they are the fence."""

    outputs: list[Output]
    offsets: dict[int, int]
    feedback: Mapping[int, int] = MappingProxyType({})  # as `offsets`, of the second input if any


# Batches over which the snapshots of all partitions are spread, where these are many.
_TURNS = 16
# Snapshots come after so long at the latest, whatever they cost.
_LONGEST_S = 60.0

# camera, partition, first input offset that is not in the state → the snapshot's message
TakeSnapshot = Callable[[str, int, int], Output]


@dataclass
class _Owned:
    next_offset: int  # first input offset that was not worked on yet
    committed: int  # the offset that the last snapshots belong to
    published_to: int  # the output topic holds what came of all input up to and with this one
    feedback: int | None = None  # first offset of the second input that was not taken yet
    feedback_committed: int | None = None  # the one that the last snapshots belong to
    is_fresh: bool = True  # no snapshot of it yet by this owner
    snapshots_at: float | None = None  # None: due as soon as there is something
    snapshot_bytes: int = 0  # of the last snapshots
    input_bytes: int = 0  # since then
    seen_offset: int = -1  # the next one, as it was when a batch was last asked for
    seen_at: float = 0.0  # when it had moved
    outputs: list[Output] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)

    @property
    def has_moved(self) -> bool:
        return (self.next_offset, self.feedback) != (self.committed, self.feedback_committed)


class Outbox:
    """The unpublished work of all partitions that this process owns."""

    def __init__(self, snapshot_interval_s: float, snapshot_share: float = math.inf) -> None:
        """Snapshots come so often at most, and while input flows add no more than so large a share
        to its bytes, but come every 60 s.
        """
        self._snapshot_interval_s = snapshot_interval_s
        self._snapshot_share = snapshot_share
        self._owned: dict[int, _Owned] = {}

    def own(
        self, partition: int, *, start: int, published_to: int, feedback: int | None = None
    ) -> None:
        """Start to work on a partition at input offset `start`, and on its `feedback` at another.

        Outputs of input up to `published_to` are already on the output topic: an earlier owner
        published them after its last snapshots. They are computed again and not sent again.
        """
        self._owned[partition] = _Owned(start, start, published_to, feedback, feedback)

    def disown(self, partition: int) -> None:
        """Forget one partition."""
        self._owned.pop(partition, None)

    def disown_all(self) -> None:
        """Forget everything: another process has, or will have, these partitions."""
        self._owned.clear()

    @property
    def partitions(self) -> set[int]:
        return set(self._owned)

    @property
    def positions(self) -> dict[int, int]:
        """The next input offset of each owned partition."""
        return {number: owned.next_offset for number, owned in self._owned.items()}

    def expects(self, partition: int, offset: int) -> bool:
        """Whether this input is to be worked on: owned, and not worked on before."""
        owned = self._owned.get(partition)
        return owned is not None and offset >= owned.next_offset

    def is_published(self, partition: int, offset: int) -> bool:
        """Whether the output topic holds what came of this input, by an earlier owner."""
        return offset <= self._owned[partition].published_to

    def expects_feedback(self, partition: int, offset: int) -> bool:
        """As `expects`, for the second input."""
        owned = self._owned.get(partition)
        return owned is not None and owned.feedback is not None and offset >= owned.feedback

    def skipped(self, partition: int, offset: int) -> int | None:
        """The offset that was to come next, where this one lies beyond it.

        A transaction's marker takes an offset of its own; so does a record that retention deleted.
        """
        owned = self._owned.get(partition)
        return owned.next_offset if owned is not None and offset > owned.next_offset else None

    def add(
        self,
        partition: int,
        offset: int,
        camera: str | None,
        outputs: list[Output],
        input_bytes: int = 0,
    ) -> int:
        """The input at `offset` was worked on, with these outputs; `camera`'s state may have moved.

        How many of the outputs will be published: none where the topic already holds them.
        """
        owned = self._owned[partition]
        if offset < owned.next_offset:
            raise ValueError(f"offset {offset} was worked on before, {owned.next_offset} is next")
        owned.next_offset = offset + 1
        owned.input_bytes += input_bytes
        if camera is not None:
            owned.changed.add(camera)
        if offset <= owned.published_to:
            return 0
        owned.outputs += outputs
        return len(outputs)

    def add_feedback(self, partition: int, offset: int, camera: str | None) -> None:
        """The second input at `offset` was taken; `camera`'s state has moved."""
        owned = self._owned[partition]
        owned.feedback = offset + 1
        if camera is not None:
            owned.changed.add(camera)

    def waiting(self) -> int:
        """Outputs that are not published yet."""
        return sum(len(owned.outputs) for owned in self._owned.values())

    def take(self, now_s: float, snapshot: TakeSnapshot, *, final: bool = False) -> Batch | None:
        """What the next transaction carries, or None: nothing is due.

        `final`: with snapshots whatever the interval, because the partitions are being given up.
        When the transaction fails, call `disown_all`: what was taken is gone.
        """
        due = self._due(now_s, final=final)
        outputs = [output for owned in self._owned.values() for output in _drain(owned.outputs)]
        for number in due:
            outputs += self._snapshots(number, snapshot, now_s)
        if not due and not outputs:
            return None
        feedback = {n: o.feedback_committed for n, o in self._owned.items()}
        return Batch(
            outputs,
            {number: owned.committed for number, owned in self._owned.items()},
            {number: offset for number, offset in feedback.items() if offset is not None},
        )

    def _due(self, now_s: float, *, final: bool) -> list[int]:
        """The partitions whose snapshots go now.

        Those whose time is up have their turns, the longest waiting first: to pack the states of
        1,000 cameras takes a second, in which nothing else happens.
        """
        moved = {number: owned for number, owned in self._owned.items() if owned.has_moved}
        if final:
            return sorted(moved)
        # A partition's first outputs come with snapshots: a new owner knows by them that the end of
        # the output topic came of this very input (runtime/recovery.py).
        first = {number for number, owned in moved.items() if owned.is_fresh and owned.outputs}
        waited_s = {
            number: math.inf if owned.snapshots_at is None else now_s - owned.snapshots_at
            for number, owned in moved.items()
        }
        late = [n for n in moved if n not in first and self._is_late(moved[n], waited_s[n], now_s)]
        late.sort(key=lambda number: -waited_s[number])
        return sorted(first) + late[: max(1, len(self._owned) // _TURNS)]

    def _is_late(self, owned: _Owned, waited_s: float, now_s: float) -> bool:
        if owned.next_offset != owned.seen_offset:
            owned.seen_offset, owned.seen_at = owned.next_offset, now_s
        if waited_s < self._snapshot_interval_s:
            return False
        is_cheap = owned.snapshot_bytes <= self._snapshot_share * max(1, owned.input_bytes)
        is_quiet = now_s - owned.seen_at >= self._snapshot_interval_s
        return is_cheap or is_quiet or waited_s >= _LONGEST_S

    def _snapshots(self, number: int, snapshot: TakeSnapshot, now_s: float) -> Iterator[Output]:
        owned = self._owned[number]
        owned.snapshot_bytes = owned.input_bytes = 0
        for camera in sorted(owned.changed):
            owned.is_fresh = False
            made = snapshot(camera, number, owned.next_offset)
            owned.snapshot_bytes += len(made.wire.value)
            yield made
        owned.changed.clear()
        owned.committed = owned.next_offset
        owned.feedback_committed = owned.feedback
        owned.snapshots_at = now_s


def _drain(outputs: list[Output]) -> list[Output]:
    drained = outputs[:]
    outputs.clear()
    return drained
