"""COPY of the same rows, made beforehand: what the SQL sink costs beyond it is ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg

from benchmarks.method.backlog import results
from benchmarks.method.metering import Stopwatch, Work
from sinks.sql import queries
from sinks.sql.connection import connect
from sinks.sql.ranking import Delivery
from sinks.sql.rows import DETECTION_TYPES, FRAME_TYPES, detection_rows, frame_row

_SQL = queries.load("writer.sql")
Rows = list[tuple[Any, ...]]


def run(dsn: str, count: int, began_at: str, batch_rows: int) -> Work:
    """Copy the rows of `count` results in transactions of `batch_rows` ticks each."""
    deliveries = [
        Delivery(record, 0, offset)
        for offset, record in enumerate(results(count, datetime.fromisoformat(began_at)))
    ]
    with connect(dsn) as connection:
        _make_partitions(connection, deliveries)
        batches = [
            _rows(deliveries[start : start + batch_rows]) for start in range(0, count, batch_rows)
        ]
        watch = Stopwatch()
        for frames, detections in batches:
            with connection.transaction(), connection.cursor() as cursor:
                _copy(cursor, _SQL["copy_frames"], FRAME_TYPES, frames)
                _copy(cursor, _SQL["copy_detections"], DETECTION_TYPES, detections)
        return watch.work(count)


def _rows(deliveries: Sequence[Delivery]) -> tuple[Rows, Rows]:
    frames = [frame_row(delivery) for delivery in deliveries]
    return frames, [row for delivery in deliveries for row in detection_rows(delivery)]


def _make_partitions(connection: psycopg.Connection, deliveries: Sequence[Delivery]) -> None:
    days = {delivery.record.captured_at.date() for delivery in deliveries}
    weeks = sorted({day - timedelta(days=day.weekday()) for day in days})
    connection.execute(_SQL["make_partitions"], {"weeks": weeks})


def _copy(
    cursor: psycopg.Cursor, statement: bytes, types: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    with cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
