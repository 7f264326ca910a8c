"""What the tables say, all of it as of one moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, NamedTuple

import psycopg
from psycopg import IsolationLevel

from onehertz.verify.alerts import Change
from onehertz.verify.facts import NO_BOXES, Boxes, Frame, Row, Said, digest
from schemas.messages import from_us
from sinks.sql.connection import connect
from sinks.sql.migrate import require_migrated

_CHANGE_FIELDS = (
    "camera", "rule", "severity", "began_at", "ended_at", "evidence_at", "evidence_partition",
    "evidence_raw_offset", "text", "boxes", "late",
)  # fmt: skip

_BATCH = 1_000


class Mismatch(NamedTuple):
    """A row that is not what others add up to. None: there is none, or nothing to add up."""

    name: str
    expected: dict[str, Any] | None
    found: dict[str, Any] | None

    def differences(self) -> str:
        if self.expected is None:
            return "there are no rows that it could come from"
        if self.found is None:
            return "there is no such row"
        return "; ".join(
            f"{name} {value!r} / {self.found.get(name)!r}"
            for name, value in self.expected.items()
            if value != self.found.get(name)
        )


class RowPlace(NamedTuple):
    """Where the record lay that a row was written from, and its tick on frames-raw."""

    partition: int
    detections_offset: int
    raw_offset: int | None


class Boxless(NamedTuple):
    """Boxes of a serving model at a tick whose row is not that model's."""

    frame: Frame
    model: str
    boxes: int


class Tables:
    """Reads the tables as they were when it was made."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def rows(self, raw_begins: Sequence[int], result_begins: Sequence[int]) -> Iterator[Row]:
        """Rows of `frames` by partition, camera and time, but not those before both beginnings.

        The beginnings: by partition, the first offset of frames-raw and of detections that is read.
        """
        values = {"raw_begins": list(raw_begins), "result_begins": list(result_begins)}
        return map(_row, self._stream("rows.sql", values))

    def places(self, frames: Sequence[Frame]) -> dict[Frame, RowPlace]:
        """Where the rows of these ticks come from, for those that have one."""
        found = {}
        for begin in range(0, len(frames), _BATCH):
            cameras, times_us = zip(*frames[begin : begin + _BATCH], strict=True)
            values = {"cameras": list(cameras), "times": [from_us(us) for us in times_us]}
            for camera, at_us, *place in self._stream("places.sql", values):
                found[camera, at_us] = RowPlace(*place)
        return found

    def boxes_without_row(self, models: Sequence[str]) -> Iterator[Boxless]:
        """Boxes that no row of `frames` accounts for, nor one of `challenger_frames`."""
        for camera, at_us, model, count in self._stream("boxes.sql", {"models": list(models)}):
            yield Boxless((camera, at_us), model, count)

    def wrong_minutes(self) -> Iterator[Mismatch]:
        """Rows of `camera_minutes` that are not what frames and detections add up to."""
        for camera, minute, expected, found in self._stream("minutes.sql"):
            yield Mismatch(f"{camera} {minute.isoformat()}Z", expected, found)

    def changes(self) -> Iterator[Change]:
        """Rows of `alert_events`."""
        for alert, at_us, kind, partition, offset, *values in self._stream("alert_events.sql"):
            fields = dict(zip(_CHANGE_FIELDS, values, strict=True))
            yield Change((alert, at_us, kind), partition, offset, fields)

    def wrong_alerts(self) -> Iterator[Mismatch]:
        """Rows of `alerts` that are not what `alert_events` adds up to."""
        for alert, expected, found in self._stream("alerts.sql"):
            yield Mismatch(alert, expected, found)

    def _stream(self, name: str, values: dict[str, Any] | None = None) -> Iterator[tuple[Any, ...]]:
        query = files("onehertz.verify").joinpath(name).read_text(encoding="utf-8").encode()
        with self._connection.cursor(name=name.removesuffix(".sql")) as cursor:
            cursor.itersize = 2_000
            cursor.execute(query, values)
            yield from cursor


@contextmanager
def snapshot(dsn: str, connect_timeout_s: int) -> Iterator[Tables]:
    """The tables as of now, for as long as the context lasts. Raises UserError."""
    with connect(dsn, connect_timeout_s=connect_timeout_s) as connection:
        require_migrated(connection)
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            connection.execute("SELECT FROM frames LIMIT 1")  # the first query sets the moment
            yield Tables(connection)


def _row(values: tuple[Any, ...]) -> Row:
    partition, camera, at_us, offset, *said, boxes = values
    found, doubled = _boxes(boxes)
    return Row((camera, at_us), partition, offset, Said._make([*said, found]), doubled)


def _boxes(listed: list[list[Any]] | None) -> tuple[Boxes, int]:
    if not listed:
        return NO_BOXES, 0
    numbers = [box[0] for box in listed]
    first = {box[0]: tuple(box[1:]) for box in reversed(listed)}
    doubled = len(numbers) - len(first)
    if set(first) != set(range(len(first))):
        return (len(first), b"numbered wrongly"), doubled
    return digest(first[n] for n in sorted(first)), doubled
