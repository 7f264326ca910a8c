"""Judges the alerts topic, and `alert_events` against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from onehertz.verify.facts import Frame, name_of
from onehertz.verify.findings import Findings, topic_place
from onehertz.verify.results import ResultJudge
from schemas.messages import AlertRecord, Cleared, split_frame_id, to_us

# Alert, capture time and kind of the change.
Key = tuple[str, int, str]


class Change(NamedTuple):
    """A change of an alert, as the topic or the table has it."""

    key: Key
    partition: int
    offset: int
    fields: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"alert {self.key[0]} {self.key[2]} at {self.key[1]} µs"


def change_of(alert: AlertRecord, partition: int, offset: int) -> Change:
    evidence_us = alert.evidence and split_frame_id(alert.evidence)[1]
    fields = {
        "camera": alert.camera,
        "rule": alert.rule,
        "severity": alert.severity,
        "began_at": to_us(alert.began_at),
        "ended_at": to_us(alert.ended_at) if isinstance(alert, Cleared) else None,
        "evidence_at": evidence_us,
        "evidence_partition": alert.partition,
        "evidence_raw_offset": alert.raw_offset,
        "text": alert.text,
        "boxes": [msgspec.to_builtins(box) for box in alert.boxes],
        "late": alert.late,
    }
    key = alert.id, to_us(alert.at), type(alert).__name__.lower()
    return Change(key, partition, offset, fields)


@dataclass
class AlertJudge:
    """Takes all changes of all partitions, then all rows."""

    topic: str
    findings: Findings
    in_flight: int = 0
    _changes: dict[Key, Change] = field(default_factory=dict)
    _rows: set[Key] = field(default_factory=set)

    def take(self, alert: AlertRecord, partition: int, offset: int, results: ResultJudge) -> None:
        """Judge the next message of a partition, after its `results`."""
        change = change_of(alert, partition, offset)
        held = self._changes.get(change.key)
        if held is None or (offset, partition) < (held.offset, held.partition):
            self._changes[change.key] = change
        self._check_frames(alert, change, results)

    def take_row(self, row: Change, begin: int) -> None:
        """Judge a row; `begin`: first offset of its partition that can be seen."""
        if row.key in self._rows:
            self.findings.add("twice", f"{row.name}: has more than one row", _query(row))
            return
        self._rows.add(row.key)
        change = self._changes.get(row.key)
        if row.offset < begin:
            return  # its message has expired
        if change is None:
            told = f"{row.name}: has a row, and no message on alerts"
            self.findings.add("unexplained", told, _query(row))
        elif change != row:
            told = f"{row.name}: its row differs (message / row): {_differences(change, row)}"
            self.findings.add("unexplained", told, _query(row))

    def finish(self, settled: Mapping[int, int]) -> None:
        """Judge what has no row; `settled`: by partition, what the SQL sink has done."""
        for key, change in self._changes.items():
            if key in self._rows:
                continue
            if change.offset < settled[change.partition]:
                place = topic_place(self.topic, change.partition, change.offset)
                told = f"{change.name}: has no row in alert_events"
                self.findings.add("lost", told, place)
            else:
                self.in_flight += 1

    def _check_frames(self, alert: AlertRecord, change: Change, results: ResultJudge) -> None:
        place = topic_place(self.topic, change.partition, change.offset)
        frame = alert.camera, to_us(alert.at)
        if frame not in results.winners and not _is_older(frame, results):
            told = f"{change.name}: its tick {name_of(frame)} is not on detections"
            self.findings.add("unexplained", told, place)
        if alert.evidence is None:
            return
        evidence = split_frame_id(alert.evidence)
        found = results.winners.get(evidence)
        if found is None:
            wrong = not _is_older(evidence, results)
        else:
            where = (found.said.raw_offset, change.partition)
            wrong = found.said.model is None or where != (alert.raw_offset, alert.partition)
        if wrong:
            told = f"{change.name}: its evidence {alert.evidence} is no inferred frame there"
            self.findings.add("unexplained", told, place)


def _is_older(frame: Frame, results: ResultJudge) -> bool:
    return results.begin > 0 and results.order.before_first(frame)


def _differences(change: Change, row: Change) -> str:
    wrong = [
        f"{name} {value!r} / {row.fields[name]!r}"
        for name, value in change.fields.items()
        if value != row.fields[name]
    ]
    if (change.partition, change.offset) != (row.partition, row.offset):
        wrong.append(f"place {change.partition}@{change.offset} / {row.partition}@{row.offset}")
    return "; ".join(wrong)


def _query(row: Change) -> str:
    return f"SELECT * FROM alert_events WHERE alert = '{row.key[0]}'"  # noqa: S608 # for people
