"""What a line ended in, without what may differ from run to run, and how two ends differ."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgspec
from psycopg.rows import dict_row

from onehertz.verify import verify_line
from schemas.codec import decode_alert, decode_gated
from schemas.messages import AlertRecord, Kept
from tests.harness.line import Line
from tests.harness.observed import messages

Key = tuple[Any, ...]
Table = Mapping[Key, Mapping[str, Any]]

# Left out: offsets (transactions' markers take some), times of work, and `late`, which goes by the
# broker's append time.
_TABLES = {
    "frames": (
        "camera, captured_at",
        "status, model, because, score, same_as, reason, detail, run, seq, width, height,"
        " partition",
    ),
    "detections": ("camera, captured_at, model, n", "label, score, x1, y1, x2, y2"),
    "camera_minutes": (
        "camera, minute",
        "inferred, unchanged, rejected, missing, objects, longest_gap_ms",
    ),
    "alerts": (
        "alert",
        "camera, rule, severity, state, began_at, raised_at, updated_at, ended_at, evidence_at,"
        " text, changes",
    ),
    "alert_events": (
        "alert, at, change",
        "camera, rule, severity, began_at, ended_at, evidence_at, text, boxes",
    ),
}
_SHOWN = 5


@dataclass(frozen=True)
class Ending:
    """The tables, and the alerts and gated records as their topics hold them."""

    frames: Table
    detections: Table
    camera_minutes: Table
    alerts: Table
    alert_events: Table
    published: Table  # changes of alerts on their topic
    gated: Table


def ending(line: Line) -> Ending:
    """What a line has come to. It must have drained."""
    tables = {name: _table(line, name, *columns) for name, columns in _TABLES.items()}
    return Ending(**tables, published=_published(line), gated=_gated(line))


def differences(expected: Ending, found: Ending) -> list[str]:
    """How the second differs from the first, in sentences; empty: not at all."""
    told: list[str] = []
    for field in fields(Ending):
        told += _differences(field.name, getattr(expected, field.name), getattr(found, field.name))
    return told


def broken_promises(line: Line) -> Sequence[str]:
    """What `onehertz verify` finds wrong, and alert changes that are published twice."""
    settings = line.settings
    report = verify_line(settings.kafka, settings.line, settings.sql, wait_s=20.0)
    told = [f"{one.kind}: {one.what} ({one.look})" for one in report.findings.first(20)]
    if report.in_flight:
        told.append(f"{report.in_flight} in flight, waiting for {report.waiting_for or 'nothing'}")
    if (report.ticks, report.rows) != (line.ticks, line.ticks):
        told.append(f"{line.ticks} ticks were sent, {report.ticks} found, {report.rows} rows")
    # Of the other topics a repeat is harmless; whoever is told of an alert twice is told wrongly.
    changes = Counter(at.header("ce_id") for at in messages(line, "alerts"))
    told += [f"{change} is {n} times on alerts" for change, n in changes.items() if n > 1]
    return told


def _table(line: Line, name: str, key: str, values: str) -> Table:
    with line.connect() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        cursor.execute(f"SELECT {key}, {values} FROM {name}".encode())  # noqa: S608 # constants
        names = key.split(", ")
        return {tuple(row[one] for one in names): row for row in cursor}


def _published(line: Line) -> Table:
    changes: dict[Key, dict[str, Any]] = {}
    for at in messages(line, "alerts"):
        alert: AlertRecord = decode_alert(at.message)
        told = msgspec.structs.asdict(alert)
        for name in ("late", "raw_offset"):
            del told[name]
        changes[alert.id, alert.at, type(alert).__name__] = told
    return changes


def _gated(line: Line) -> Table:
    records: dict[Key, dict[str, Any]] = {}
    for at in messages(line, "frames-gated"):
        record = decode_gated(at.message)
        told = msgspec.structs.asdict(record) | {"partition": at.partition, "type": record.type}
        for name in ("stages", "traceparent"):
            del told[name]
        if isinstance(record, Kept):
            told["jpeg"] = hashlib.sha256(record.jpeg).hexdigest()
        records[record.camera, record.captured_at] = told
    return records


def _differences(name: str, expected: Table, found: Table) -> list[str]:
    told = [f"{name}: {key} is missing" for key in expected.keys() - found.keys()]
    told += [f"{name}: {key} should not be there" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        if expected[key] != found[key]:
            wrong = {
                field: (value, found[key].get(field))
                for field, value in expected[key].items()
                if value != found[key].get(field)
            }
            told.append(f"{name}: {key} differs (expected, found): {wrong}")
    more = [f"{name}: and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else []
    return sorted(told)[:_SHOWN] + more
