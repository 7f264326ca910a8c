"""Judges the rows of `frames` of one partition against the records that they must come from."""

from __future__ import annotations

from dataclasses import dataclass, field

from onehertz.verify.facts import Frame, Row, name_of
from onehertz.verify.findings import Findings, Kind, topic_place
from onehertz.verify.raw import RawJudge
from onehertz.verify.results import ResultJudge
from schemas.messages import from_us


@dataclass
class RowJudge:
    """Takes the partition's rows by camera and capture time, after all topics.

    `cut`: where frames-raw ended when verify began; later ticks are not counted.
    """

    raw: RawJudge
    results: ResultJudge
    cut: int
    findings: Findings
    rows: int = 0
    older: int = 0
    seen: set[Frame] = field(default_factory=set)
    _last: Frame | None = None

    def take(self, row: Row) -> None:
        """Judge the next row."""
        self._count(row)
        if row.frame == self._last:
            self._add("twice", row, "has more than one row")
            return
        self._last = row.frame
        self.seen.add(row.frame)
        if row.doubled_boxes:
            told = f"{row.doubled_boxes} of its boxes are there twice"
            self._add("twice", row, told)
        self._check_tick(row)
        self._check_record(row)

    def _count(self, row: Row) -> None:
        tick = self.raw.ticks.get(row.frame)
        offset = row.said.raw_offset if tick is None else tick.offset
        if offset is not None and offset >= self.cut:
            return
        if tick is None and self._has_expired(row):
            self.older += 1
        else:
            self.rows += 1

    def _has_expired(self, row: Row) -> bool:
        return row.said.raw_offset is not None and row.said.raw_offset < self.raw.begin

    def _check_tick(self, row: Row) -> None:
        if row.frame not in self.raw.ticks and not self._has_expired(row):
            self._add("unexplained", row, "has a row, and no tick on frames-raw")

    def _check_record(self, row: Row) -> None:
        if row.frame not in self.results.winners:
            if row.offset >= self.results.begin:
                self._add("unexplained", row, "has a row, and no record on detections")
            return
        candidates = self.results.row_may_be(row.frame)
        if row.offset < self.results.begin:
            return  # the record that it was written from has expired: it came before all these
        if any((row.offset, row.said) == (one.offset, one.said) for one in candidates):
            return
        best = candidates[0]
        if row.offset != best.offset:
            told = f"its row is from offset {row.offset} of detections, {best.offset} wins"
            self._add("unexplained", row, told)
            return
        wrong = "; ".join(best.said.differences(row.said))
        place = topic_place(self.results.topic, self.results.partition, best.offset)
        told = f"its row differs from {place} (record / row): {wrong}"
        self._add("unexplained", row, told)

    def _add(self, kind: Kind, row: Row, what: str) -> None:
        self.findings.add(kind, f"{name_of(row.frame)}: {what}", row_query(row.frame))


def row_query(frame: Frame, table: str = "frames") -> str:
    """SQL that shows what a table says of a tick."""
    camera, at_us = frame
    at = from_us(at_us).isoformat(timespec="microseconds")
    return f"SELECT * FROM {table} WHERE camera = '{camera}' AND captured_at = '{at}'"  # noqa: S608 # for people
