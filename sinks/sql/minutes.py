"""What a batch's winning rows change in `camera_minutes`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.messages import Inferred, Status
from sinks.sql.ranking import Key, Verdict
from sinks.sql.rows import storable_text

MINUTE_US = 60_000_000


@dataclass
class Change:
    """Difference of one camera's minute: ticks by status, boxes by label. Negative is fewer."""

    ticks: Counter[Status] = field(default_factory=Counter)
    objects: Counter[str] = field(default_factory=Counter)

    def nonzero_objects(self) -> dict[str, int]:
        return {label: n for label, n in self.objects.items() if n}


def minute_of(captured_at_us: int) -> int:
    """Beginning of the minute in µs since 1970; also right before 1970."""
    return captured_at_us - captured_at_us % MINUTE_US


def changes(verdict: Verdict, removed: Mapping[Key, Iterable[str]]) -> dict[Key, Change]:
    """Differences by camera and beginning of the minute (µs since 1970).

    `removed`: labels of the boxes that replaced rows had. Every touched minute is listed, also one
    whose sums stay: its gap and its latency may have changed.
    """
    found: dict[Key, Change] = {}
    winners = [*verdict.added.values(), *(new for _, new in verdict.replaced.values())]
    for delivery in winners:
        record = delivery.record
        change = _at(found, delivery.key)
        change.ticks[record.status] += 1
        if isinstance(record, Inferred):
            change.objects.update(storable_text(box.label) for box in record.boxes)
    for key, (old, _) in verdict.replaced.items():
        change = _at(found, key)
        change.ticks[old.status] -= 1
        change.objects.subtract(Counter(removed.get(key, ())))
    return found


def _at(found: dict[Key, Change], key: Key) -> Change:
    camera, captured_at_us = key
    return found.setdefault((camera, minute_of(captured_at_us)), Change())
