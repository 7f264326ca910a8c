"""Which delivery of a tick becomes its row.

Inferred beats unchanged beats rejected beats missing; at equal rank the first (lowest offset) wins.
This orders all deliveries of a tick, so the winner does not depend on the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.messages import ResultRecord, Status

RANK: Mapping[Status, int] = {"missing": 1, "rejected": 2, "unchanged": 3, "inferred": 4}

# Camera, and capture time in µs since 1970.
Key = tuple[str, int]


class Delivery(NamedTuple):
    """A record of the detections topic, and where it lay."""

    record: ResultRecord
    partition: int
    offset: int

    @property
    def key(self) -> Key:
        return self.record.camera, self.record.captured_at_us


class Held(NamedTuple):
    """A row that `frames` has: what it ranks by, and whose boxes it has."""

    status: Status
    offset: int
    partition: int
    model: str | None


class Verdict(NamedTuple):
    """What to do with a batch: rows to add, rows to replace, and the number that change nothing."""

    added: dict[Key, Delivery]
    replaced: dict[Key, tuple[Held, Delivery]]
    repeated: int


def precedence(status: Status, offset: int, partition: int) -> tuple[int, int, int]:
    """Sorts the deliveries of a tick: the smallest wins."""
    return -RANK[status], offset, partition


def best_of(batch: Iterable[Delivery]) -> dict[Key, Delivery]:
    """The winning delivery of each tick of a batch, ticks in the order of their first delivery."""
    best: dict[Key, Delivery] = {}
    for delivery in batch:
        rival = best.setdefault(delivery.key, delivery)
        if _rank_of(delivery) < _rank_of(rival):
            best[delivery.key] = delivery
    return best


def judge(best: Mapping[Key, Delivery], held: Mapping[Key, Held], deliveries: int) -> Verdict:
    """Compares a batch's winners with the rows that are there; `deliveries`: size of the batch."""
    added: dict[Key, Delivery] = {}
    replaced: dict[Key, tuple[Held, Delivery]] = {}
    for key, delivery in best.items():
        rival = held.get(key)
        if rival is None:
            added[key] = delivery
        elif _rank_of(delivery) < precedence(rival.status, rival.offset, rival.partition):
            replaced[key] = (rival, delivery)
    return Verdict(added, replaced, deliveries - len(added) - len(replaced))


def _rank_of(delivery: Delivery) -> tuple[int, int, int]:
    return precedence(delivery.record.status, delivery.offset, delivery.partition)
