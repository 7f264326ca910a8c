"""Writes batches of records to PostgreSQL: each batch in one transaction, each repeat harmless.

A transaction first locks the rows of its cameras in `cameras`, so that writers of the same camera
take turns (after a rebalance two may hold the same records). Under that lock the rows that are
there can be read, judged in Python, and the winners copied straight in, with nothing to conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import msgspec
import psycopg
from psycopg.pq import TransactionStatus

from schemas.messages import from_us
from sinks.sql import alert_rows, challengers, queries
from sinks.sql.alert_rows import AlertDelivery
from sinks.sql.minutes import MINUTE_US, changes
from sinks.sql.ranking import Delivery, Held, Key, Verdict, best_of, judge
from sinks.sql.rows import DETECTION_TYPES, FRAME_TYPES, MODEL, detection_rows, frame_row

__all__ = ["AlertDelivery", "Delivery", "WriteOutcome", "Writer"]

T = TypeVar("T")
_SQL = queries.load("writer.sql")
_ALERT_SQL = queries.load("alerts.sql")


class WriteOutcome(NamedTuple):
    """Deliveries that made a new row, replaced one, and changed nothing: together the batch."""

    inserted: int
    replaced: int
    repeated: int


class Writer:
    """Writes to one connection, as `connection.connect` makes it; not thread-safe.

    What it raises tells what to do (`connection.retriable`, `connection.poisonous`); in each case
    nothing of the batch is written, and writing it again is safe, also when a commit's answer was
    lost. After an error of the connection make a new Writer on a new connection.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._known_weeks: set[date] = set()
        self._known_models: set[str] = set()

    def write(self, batch: Sequence[Delivery]) -> WriteOutcome:
        """Writes a batch in one transaction, committed on return. Order and repeats don't matter.

        Raises InvalidMessage for a record that no table can hold, psycopg.Error, and OverflowError
        for a number outside its column's range (see `poison.salvage`).
        """
        if not batch:
            return WriteOutcome(0, 0, 0)
        best = best_of(batch)
        rows = {key: frame_row(delivery) for key, delivery in best.items()}
        verdict = self._in_partitions(best.values(), lambda: self._write(best, rows, len(batch)))
        self._known_models.update(_models(rows.values()))
        return WriteOutcome(len(verdict.added), len(verdict.replaced), verdict.repeated)

    def write_challenger(self, challenger: str, batch: Sequence[Delivery]) -> WriteOutcome:
        """Writes what a challenger found in one transaction, committed on return, in any order.

        Changes no row of the serving line's. Raises as `write` does.
        """
        best = challengers.best_of(batch)
        if not best:
            return WriteOutcome(0, 0, len(batch))
        added = self._in_partitions(best.values(), lambda: self._challenge(challenger, best))
        return WriteOutcome(len(added), 0, len(batch) - len(added))

    def write_alerts(self, batch: Sequence[AlertDelivery]) -> WriteOutcome:
        """Writes changes of alerts in one transaction, committed on return, in any order.

        Raises InvalidMessage for a record that no table can hold (see `poison.salvage`), and
        psycopg.Error.
        """
        if not batch:
            return WriteOutcome(0, 0, 0)
        best = alert_rows.best_of(batch)
        rows = {key: alert_rows.event_row(delivery) for key, delivery in best.items()}
        with self._transaction() as cursor:
            cameras = sorted({row["camera"] for row in rows.values()})
            cursor.execute(_ALERT_SQL["lock_cameras"], {"cameras": cameras})
            cursor.execute(_ALERT_SQL["held_events"], alert_rows.columns(best))
            keys = list(best)
            held = {keys[n - 1]: (offset, partition) for n, offset, partition in cursor}
            winning = alert_rows.winners(best, held)
            for key in winning:
                if key in held:
                    cursor.execute(_ALERT_SQL["remove_event"], rows[key])
                cursor.execute(_ALERT_SQL["add_event"], rows[key])
            if winning:
                alerts = sorted({alert for alert, _, _ in winning})
                cursor.execute(_ALERT_SQL["fold_alerts"], {"alerts": alerts})
        replaced = len(held.keys() & set(winning))
        return WriteOutcome(len(winning) - replaced, replaced, len(batch) - len(winning))

    def _in_partitions(self, batch: Collection[Delivery], write: Callable[[], T]) -> T:
        """`write()`, with the partitions that the batch needs."""
        self._make_partitions(batch)
        try:
            return write()
        except psycopg.errors.CheckViolation:
            # A partition that was there has been dropped since (retention).
            self._known_weeks.clear()
            self._make_partitions(batch)
            return write()

    def _make_partitions(self, batch: Iterable[Delivery]) -> None:
        weeks = {_monday(delivery.record.captured_at) for delivery in batch}
        missing = weeks - self._known_weeks
        if missing:
            with self._transaction() as cursor:
                cursor.execute(_SQL["make_partitions"], {"weeks": sorted(missing)})
            self._known_weeks |= missing

    def _write(
        self, best: Mapping[Key, Delivery], rows: Mapping[Key, tuple[Any, ...]], deliveries: int
    ) -> Verdict:
        with self._transaction() as cursor:
            cursor.execute(_SQL["lock_cameras"], _spans(best))
            verdict = judge(best, _held(cursor, best), deliveries)
            removed = _remove(cursor, {key: old for key, (old, _) in verdict.replaced.items()})
            winning = verdict.added | {key: new for key, (_, new) in verdict.replaced.items()}
            if winning:
                self._add(cursor, winning, rows)
                _change_minutes(cursor, verdict, removed)
        return verdict

    def _challenge(
        self, challenger: str, best: Mapping[challengers.Looked, Delivery]
    ) -> set[challengers.Looked]:
        with self._transaction() as cursor:
            added = challengers.add(cursor, challenger, best)
            if added:
                models = sorted({model for _, _, model in added})
                cursor.execute(_SQL["add_models"], {"models": models})
            boxes = (row for key in best if key in added for row in detection_rows(best[key]))
            _copy(cursor, _SQL["copy_detections"], DETECTION_TYPES, boxes)
        return added

    def _add(
        self,
        cursor: psycopg.Cursor,
        winning: Mapping[Key, Delivery],
        rows: Mapping[Key, tuple[Any, ...]],
    ) -> None:
        frames = [rows[key] for key in winning]
        new_models = _models(frames) - self._known_models
        if new_models:
            cursor.execute(_SQL["add_models"], {"models": sorted(new_models)})
        _copy(cursor, _SQL["copy_frames"], FRAME_TYPES, frames)
        challengers.give_way(cursor, winning.values())
        boxes = (row for delivery in winning.values() for row in detection_rows(delivery))
        _copy(cursor, _SQL["copy_detections"], DETECTION_TYPES, boxes)

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Cursor]:
        if self._connection.info.transaction_status is not TransactionStatus.IDLE:
            # A broken connection is psycopg's to report; an open transaction would turn our commit
            # into a savepoint, and offsets would be committed ahead of their rows.
            self._connection.execute("SELECT")
            raise RuntimeError("the writer's connection is in a transaction of someone else")
        with self._connection.transaction(), self._connection.cursor() as cursor:
            yield cursor


def _monday(moment: datetime) -> date:
    day = moment.date()  # records are in UTC
    return day - timedelta(days=day.weekday())


def _models(frames: Iterable[tuple[Any, ...]]) -> set[str]:
    return {row[MODEL] for row in frames if row[MODEL] is not None}


def _spans(best: Mapping[Key, Delivery]) -> dict[str, list[Any]]:
    first: dict[str, datetime] = {}
    last: dict[str, datetime] = {}
    for delivery in best.values():
        camera, moment = delivery.record.camera, delivery.record.captured_at
        first[camera] = min(first.get(camera, moment), moment)
        last[camera] = max(last.get(camera, moment), moment)
    return {"cameras": list(first), "firsts": list(first.values()), "lasts": list(last.values())}


def _columns(keys: Iterable[Key]) -> dict[str, Any]:
    """Parameters that name ticks: cameras, times, and the first and last of the times."""
    cameras, times_us = zip(*keys, strict=True)
    times = [from_us(us) for us in times_us]
    return {"cameras": list(cameras), "times": times, "first": min(times), "last": max(times)}


def _held(cursor: psycopg.Cursor, best: Mapping[Key, Delivery]) -> dict[Key, Held]:
    keys = list(best)
    cursor.execute(_SQL["held_frames"], _columns(keys))
    return {keys[n - 1]: Held(*held) for n, *held in cursor}


def _remove(cursor: psycopg.Cursor, losing: Mapping[Key, Held]) -> dict[Key, list[str]]:
    """Removes rows and their boxes; the labels of these boxes by tick."""
    removed: dict[Key, list[str]] = {}
    if not losing:
        return removed
    cursor.execute(_SQL["remove_frames"], _columns(losing))
    inferred = [key for key, held in losing.items() if held.model is not None]
    if inferred:
        models = [losing[key].model for key in inferred]
        cursor.execute(_SQL["remove_detections"], _columns(inferred) | {"models": models})
        for n, label in cursor:
            removed.setdefault(inferred[n - 1], []).append(label)
    return removed


def _copy(
    cursor: psycopg.Cursor, statement: bytes, types: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    with cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _change_minutes(
    cursor: psycopg.Cursor, verdict: Verdict, removed: Mapping[Key, Iterable[str]]
) -> None:
    found = changes(verdict, removed)
    cameras, minutes_us = zip(*found, strict=True)
    ticks = [change.ticks for change in found.values()]
    objects = [msgspec.json.encode(change.nonzero_objects()).decode() for change in found.values()]
    cursor.execute(
        _SQL["change_minutes"],
        {
            "cameras": list(cameras),
            "minutes": [from_us(us) for us in minutes_us],
            "inferred": [n["inferred"] for n in ticks],
            "unchanged": [n["unchanged"] for n in ticks],
            "rejected": [n["rejected"] for n in ticks],
            "missing": [n["missing"] for n in ticks],
            "objects": objects,
            "first": from_us(min(minutes_us)),
            "end": from_us(max(minutes_us) + MINUTE_US),
        },
    )
