"""Turns changes of alerts into rows of `alert_events`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from schemas.errors import InvalidMessage
from schemas.messages import AlertRecord, Box, Cleared, to_us
from sinks.sql.rows import END_US, FIRST_US, frame_time, storable_text

# Alert, capture time and kind of the change: what makes two deliveries the same change.
EventKey = tuple[str, datetime, str]


class AlertDelivery(NamedTuple):
    """A record of the alerts topic, and where it lay."""

    record: AlertRecord
    partition: int
    offset: int

    @property
    def key(self) -> EventKey:
        # PostgreSQL's text holds no NUL, and the key has to be what the table has.
        return storable_text(self.record.id), self.record.at, _change(self.record)


def best_of(batch: Iterable[AlertDelivery]) -> dict[EventKey, AlertDelivery]:
    """The first delivery (lowest offset) of each change in a batch."""
    best: dict[EventKey, AlertDelivery] = {}
    for delivery in batch:
        rival = best.setdefault(delivery.key, delivery)
        if _place(delivery) < _place(rival):
            best[delivery.key] = delivery
    return best


def winners(
    best: Mapping[EventKey, AlertDelivery], held: Mapping[EventKey, tuple[int, int]]
) -> list[EventKey]:
    """Changes that are new, or come before the (offset, partition) that the table has them from."""
    return [key for key, new in best.items() if key not in held or _place(new) < held[key]]


def columns(keys: Iterable[EventKey]) -> dict[str, list[Any]]:
    """Parameters that name changes."""
    alerts, times, kinds = zip(*keys, strict=True)
    return {"alerts": list(alerts), "times": list(times), "changes": list(kinds)}


def event_row(delivery: AlertDelivery) -> dict[str, Any]:
    """The row of `alert_events` by column. Raises InvalidMessage if the table can't hold it."""
    record, partition, offset = delivery
    ended_at = record.ended_at if isinstance(record, Cleared) else None
    times = [record.at, record.began_at, ended_at or record.at]
    if not all(FIRST_US <= to_us(time) < END_US for time in times):
        raise InvalidMessage("capture-time", f"alert {record.id} is not in the years 2000 to 2099")
    evidence = record.evidence
    return {
        "alert": storable_text(record.id),
        "at": record.at,
        "change": _change(record),
        "camera": record.camera,
        "rule": storable_text(record.rule),
        "severity": record.severity,
        "began_at": record.began_at,
        "ended_at": ended_at,
        "evidence_at": evidence and frame_time(evidence, record.camera, "evidence"),
        "evidence_partition": record.partition,
        "evidence_raw_offset": record.raw_offset,
        "text": storable_text(record.text),
        "boxes": _boxes(record.boxes),
        "late": record.late,
        "partition": partition,
        "alerts_offset": offset,
    }


def _change(record: AlertRecord) -> str:
    return type(record).__name__.lower()


def _place(delivery: AlertDelivery) -> tuple[int, int]:
    return delivery.offset, delivery.partition


def _boxes(boxes: Iterable[Box]) -> str:
    clean = [msgspec.structs.replace(box, label=storable_text(box.label)) for box in boxes]
    return msgspec.json.encode(clean).decode()
