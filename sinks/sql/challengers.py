"""What challengers found, beside the rows of the model that serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg

from schemas.messages import Inferred, to_us
from sinks.sql import queries
from sinks.sql.ranking import Delivery
from sinks.sql.rows import check_time, storable_text

_SQL = queries.load("challengers.sql")

# Camera, capture time in µs since 1970, model.
Looked = tuple[str, int, str]


def best_of(batch: Iterable[Delivery]) -> dict[Looked, Delivery]:
    """The first delivery of each frame and model, ordered by them; other records are none.

    Raises InvalidMessage for a record that no table can hold.
    """
    best: dict[Looked, Delivery] = {}
    for delivery in batch:
        record = delivery.record
        if isinstance(record, Inferred):
            check_time(record)
            key = (*delivery.key, storable_text(record.model))
            rival = best.setdefault(key, delivery)
            if delivery.offset < rival.offset:
                best[key] = delivery
    return dict(sorted(best.items()))


def add(cursor: psycopg.Cursor, challenger: str, best: Mapping[Looked, Delivery]) -> set[Looked]:
    """Adds the frames that are new; which these are. Their boxes are the caller's to add."""
    values = _columns(best)
    cameras = sorted(set(values["cameras"]))
    cursor.execute(_SQL["lock_cameras"], {"cameras": cameras})
    boxes = [len(_boxes(delivery)) for delivery in best.values()]
    cursor.execute(_SQL["add_frames"], values | {"challenger": challenger, "boxes": boxes})
    return {(camera, to_us(captured_at), model) for camera, captured_at, model in cursor}


def give_way(cursor: psycopg.Cursor, winning: Iterable[Delivery]) -> None:
    """Removes what the models of these rows of `frames` have found as challengers."""
    served = best_of(winning)
    if served:
        cursor.execute(_SQL["give_way"], _columns(served))


def _boxes(delivery: Delivery) -> tuple[Any, ...]:
    return delivery.record.boxes if isinstance(delivery.record, Inferred) else ()


def _columns(best: Mapping[Looked, Delivery]) -> dict[str, Any]:
    times = [delivery.record.captured_at for delivery in best.values()]
    return {
        "cameras": [camera for camera, _, _ in best],
        "times": times,
        "models": [model for _, _, model in best],
        "first": min(times),
        "last": max(times),
    }
