"""What the tables must hold, by docs/architecture.md and nothing of the writer: plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
from psycopg.rows import dict_row

from schemas.messages import Inferred, Unchanged, from_us, split_frame_id
from sinks.sql.ranking import Delivery

Row = dict[str, Any]
Tables = dict[str, list[Row]]

_BEST_FIRST = ["inferred", "unchanged", "rejected", "missing"]
_MINUTE = timedelta(minutes=1)


def expected(deliveries: Iterable[Delivery]) -> Tables:
    """The tables after these deliveries, whatever their order, batches and repeats."""
    ticks: dict[tuple[str, datetime], list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        ticks[delivery.record.camera, delivery.record.captured_at].append(delivery)
    rows: list[Row] = []
    boxes: list[Row] = []
    for _, rivals in sorted(ticks.items()):
        best = min(rivals, key=lambda d: (_BEST_FIRST.index(d.record.status), d.offset))
        rows.append(_frame(best))
        boxes += _boxes(best)
    return {"frames": rows, "detections": boxes, "camera_minutes": minutes(rows, boxes)}


def minutes(rows: Iterable[Row], boxes: Iterable[Row]) -> list[Row]:
    """`camera_minutes`, computed from the rows of `frames` and `detections`."""
    members: dict[tuple[str, datetime], list[Row]] = defaultdict(list)
    objects: dict[tuple[str, datetime], Counter[str]] = defaultdict(Counter)
    for row in rows:
        members[row["camera"], _minute(row)].append(row)
    for row in boxes:
        objects[row["camera"], _minute(row)][row["label"]] += 1
    return [
        _minute_row(key, group, objects.get(key, Counter()))
        for key, group in sorted(members.items())
    ]


def actual(connection: psycopg.Connection) -> Tables:
    """The tables as they are, in the order and the columns of `expected`."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found: Tables = {}
        for table, order in (
            ("frames", "camera, captured_at"),
            ("detections", "camera, captured_at, n"),
            ("camera_minutes", "camera, minute"),
        ):
            cursor.execute(f"SELECT * FROM {table} ORDER BY {order}".encode())  # noqa: S608
            found[table] = [_in_utc(row) for row in cursor]
    for row in found["frames"]:
        del row["written_at"]
    return found


def _minute_row(key: tuple[str, datetime], group: list[Row], objects: Mapping[str, int]) -> Row:
    camera, minute = key
    by_status = Counter(row["status"] for row in group)
    seen = sorted(r["captured_at"] for r in group if r["status"] in ("inferred", "unchanged"))
    edges = [minute, *seen, minute + _MINUTE]
    gaps = [after - before for before, after in pairwise(edges)]
    latencies = [row["latency_ms"] for row in group if row["latency_ms"] is not None]
    return {
        "camera": camera,
        "minute": minute,
        **{status: by_status[status] for status in reversed(_BEST_FIRST)},
        "objects": dict(objects),
        "longest_gap_ms": max(gaps) // timedelta(milliseconds=1),
        "worst_latency_ms": max(latencies, default=None),
    }


def _frame(best: Delivery) -> Row:
    record = best.record
    took = [times[0] for times in record.stages.values()]
    gave = [times[1] for times in record.stages.values()]
    return {
        "camera": record.camera,
        "captured_at": record.captured_at,
        "status": record.status,
        "model": getattr(record, "model", None),
        "because": getattr(record, "because", None),
        "score": getattr(record, "score", None),
        "same_as": (
            from_us(split_frame_id(record.same_as)[1]) if isinstance(record, Unchanged) else None
        ),
        "reason": getattr(record, "reason", None),
        "detail": getattr(record, "detail", None) or None,
        "run": record.run,
        "seq": record.seq,
        "width": record.width,
        "height": record.height,
        "partition": best.partition,
        "detections_offset": best.offset,
        "gated_offset": record.gated_offset,
        "raw_offset": record.raw_offset,
        "entered_at": from_us(min(took)) if took else None,
        "latency_ms": (max(gave) - min(took)) // 1000 if took else None,
        "stage_ms": {s: (g - t) // 1000 for s, (t, g) in record.stages.items()} or None,
    }


def _boxes(best: Delivery) -> list[Row]:
    record = best.record
    if not isinstance(record, Inferred):
        return []
    return [
        {
            "camera": record.camera,
            "captured_at": record.captured_at,
            "model": record.model,
            "n": n,
            **{name: getattr(box, name) for name in ("label", "score", "x1", "y1", "x2", "y2")},
        }
        for n, box in enumerate(record.boxes)
    ]


def _minute(row: Row) -> datetime:
    moment: datetime = row["captured_at"]
    return moment.replace(second=0, microsecond=0)


def _in_utc(row: Row) -> Row:
    return {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in row.items()
    }
