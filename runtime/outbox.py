"""What a stage with state still has to publish: outputs, snapshots and offsets that go together.

Pure bookkeeping, one object per process. Outputs leave with every batch; offsets move forward only
in a batch that carries the snapshots of every camera that has changed. So whatever is committed
last, a new owner that reads the snapshots and goes on at the committed offset has the very state
that the old one had there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
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


# camera, partition, first input offset that is not in the state → the snapshot's message
TakeSnapshot = Callable[[str, int, int], Output]


@dataclass
class _Owned:
    next_offset: int  # first input offset that was not worked on yet
    committed: int  # the offset that the last snapshots belong to
    published_to: int  # the output topic holds what came of all input up to and with this one
    is_fresh: bool = True  # no snapshot of it yet by this owner
    outputs: list[Output] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)


class Outbox:
    """The unpublished work of all partitions that this process owns."""

    def __init__(self, snapshot_interval_s: float) -> None:
        self._snapshot_interval_s = snapshot_interval_s
        self._owned: dict[int, _Owned] = {}
        self._snapshots_at: float | None = None  # None: the next batch carries them

    def own(self, partition: int, *, start: int, published_to: int) -> None:
        """Start to work on a partition at input offset `start`.

        Outputs of input up to `published_to` are already on the output topic: an earlier owner
        published them after its last snapshots. They are computed again and not sent again.
        """
        self._owned[partition] = _Owned(start, start, published_to)
        self._snapshots_at = None

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

    def skipped(self, partition: int, offset: int) -> int | None:
        """The offset that was to come next, where this one lies beyond it.

        A transaction's marker takes an offset of its own; so does a record that retention deleted.
        """
        owned = self._owned.get(partition)
        return owned.next_offset if owned is not None and offset > owned.next_offset else None

    def add(self, partition: int, offset: int, camera: str | None, outputs: list[Output]) -> int:
        """The input at `offset` was worked on, with these outputs; `camera`'s state may have moved.

        How many of the outputs will be published: none where the topic already holds them.
        """
        owned = self._owned[partition]
        if offset < owned.next_offset:
            raise ValueError(f"offset {offset} was worked on before, {owned.next_offset} is next")
        owned.next_offset = offset + 1
        if camera is not None:
            owned.changed.add(camera)
        if offset <= owned.published_to:
            return 0
        owned.outputs += outputs
        return len(outputs)

    def waiting(self) -> int:
        """Outputs that are not published yet."""
        return sum(len(owned.outputs) for owned in self._owned.values())

    def take(self, now_s: float, snapshot: TakeSnapshot, *, final: bool = False) -> Batch | None:
        """What the next transaction carries, or None: nothing is due.

        `final`: with snapshots whatever the interval, because the partitions are being given up.
        When the transaction fails, call `disown_all`: what was taken is gone.
        """
        # A partition's first outputs come with snapshots: a new owner knows by them that the end of
        # the output topic came of this very input (runtime/recovery.py).
        first = any(owned.is_fresh and owned.outputs for owned in self._owned.values())
        due = final or first or self._snapshots_due(now_s)
        outputs = [output for owned in self._owned.values() for output in _drain(owned.outputs)]
        if due:
            moved = self._moved()
            if moved:
                outputs += self._snapshots(snapshot)
                self._snapshots_at = now_s
            if not moved and not outputs:
                return None
        elif not outputs:
            return None
        return Batch(outputs, {number: owned.committed for number, owned in self._owned.items()})

    def _snapshots_due(self, now_s: float) -> bool:
        at = self._snapshots_at
        return at is None or now_s - at >= self._snapshot_interval_s

    def _moved(self) -> bool:
        return any(owned.next_offset != owned.committed for owned in self._owned.values())

    def _snapshots(self, snapshot: TakeSnapshot) -> Iterable[Output]:
        for number, owned in self._owned.items():
            for camera in sorted(owned.changed):
                owned.is_fresh = False
                yield snapshot(camera, number, owned.next_offset)
            owned.changed.clear()
            owned.committed = owned.next_offset


def _drain(outputs: list[Output]) -> list[Output]:
    drained = outputs[:]
    outputs.clear()
    return drained
