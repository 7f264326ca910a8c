"""Ticks that have not come to their row: lost, on their way, or somewhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from onehertz.verify.facts import Frame, name_of
from onehertz.verify.findings import Findings, topic_place
from onehertz.verify.partition import Judged
from onehertz.verify.rows import row_query
from onehertz.verify.tables import RowPlace

Places = Callable[[Sequence[Frame]], Mapping[Frame, RowPlace]]


class Absent(NamedTuple):
    """A tick that is on one topic and not on what comes next.

    `passed`: the stage between says that it is done with it, or has gone on to later ones.
    """

    frame: Frame
    what: str
    look: str
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """`elsewhere`: ticks that are counted on another partition, or were before all that is seen."""

    in_flight: int
    elsewhere: int


class AbsentJudge:
    """Judges the absent ticks of one partition."""

    def __init__(self, judged: Judged, partition: int, cut: int, done: Mapping[str, int]) -> None:
        """`done`: by stage (gate, infer, sql), the offset of its input before which it is done."""
        self._raw, self._gated, self._results, self._rows, self._letters = judged
        self._partition = partition
        self._cut = cut
        self._done = done

    def judge(self, places: Places, findings: Findings) -> Verdict:
        """Tell lost ticks from those on their way. `places`: rows of ticks, wherever they are."""
        absent = [*self._ticks(), *self._records()]
        rows = places([one.frame for one in absent]) if absent else {}
        in_flight = elsewhere = 0
        for one in absent:
            row = rows.get(one.frame)
            if row is not None and row.partition != self._partition:
                told = f"is on partition {self._partition} too, its row is from {row.partition}"
                findings.add("twice", f"{name_of(one.frame)}: {told}", one.look)
                elsewhere += 1
            elif row is not None and self._is_older(row):
                elsewhere += 1
            elif one.passed:
                findings.add("lost", f"{name_of(one.frame)}: {one.what}", one.look)
            else:
                in_flight += 1
        return Verdict(in_flight, elsewhere)

    def _ticks(self) -> Iterator[Absent]:
        for frame, tick in self._raw.ticks.items():
            if tick.offset >= self._cut:
                continue
            if frame not in self._gated.first:
                yield self._at_gate(frame, tick.offset)
            elif frame not in self._results.seen:
                yield self._at_worker(frame, self._gated.first[frame].offset)
            elif frame not in self._rows.seen:
                yield self._at_sink(frame)

    def _records(self) -> Iterator[Absent]:
        """Records on detections of ticks that have expired on frames-raw."""
        for frame, result in self._results.winners.items():
            offset = result.said.raw_offset
            expired = offset is not None and offset < self._raw.begin
            if expired and frame not in self._raw.ticks and frame not in self._rows.seen:
                yield self._at_sink(frame)

    def _at_gate(self, frame: Frame, offset: int) -> Absent:
        passed = offset < max(self._done["gate"], self._gated.order.last_origin(frame[0]))
        return self._absent(frame, "frames-raw", "frames-gated", offset, "gate", passed)

    def _at_worker(self, frame: Frame, offset: int) -> Absent:
        passed = offset < max(self._done["infer"], self._results.order.last_origin(frame[0]))
        return self._absent(frame, "frames-gated", "detections", offset, "infer", passed)

    def _at_sink(self, frame: Frame) -> Absent:
        offset = self._results.seen[frame]
        passed = offset < self._done["sql"]
        absent = self._absent(frame, "detections", "the table frames", offset, "sql", passed)
        return absent._replace(look=f"{absent.look}; {row_query(frame)}")

    def _absent(
        self, frame: Frame, here: str, there: str, offset: int, stage: str, passed: bool
    ) -> Absent:
        judge = self._letters[here]
        letter = judge.at(offset, stage)
        why = "" if letter is None else f" (among the dead letters: {letter.reason})"
        place = topic_place(judge.topic, self._partition, offset)
        return Absent(frame, f"is on {here}, and not in {there}{why}", place, passed)

    def _is_older(self, row: RowPlace) -> bool:
        """Whether the row's own tick or record has expired: then this one is a known repeat."""
        expired = row.raw_offset is not None and row.raw_offset < self._raw.begin
        return expired or row.detections_offset < self._results.begin
