"""Judges a whole line: waits, reads, compares."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator

from onehertz.verify.absent import AbsentJudge
from onehertz.verify.alerts import AlertJudge
from onehertz.verify.draining import wait_until_drained
from onehertz.verify.facts import Row, name_of
from onehertz.verify.findings import Findings, topic_place
from onehertz.verify.partition import Done, PartitionReader
from onehertz.verify.reading import READERS, LineReader, line_reader
from onehertz.verify.report import Report
from onehertz.verify.rows import row_query
from onehertz.verify.runs import Run, gaps
from onehertz.verify.tables import Mismatch, Tables, snapshot
from runtime.kafka import KafkaSettings
from runtime.topics import LineSettings, check_topics
from schemas.catalogue import topics
from sinks.sql.settings import SqlSettings


def verify_line(
    kafka: KafkaSettings,
    line: LineSettings,
    sql: SqlSettings,
    *,
    wait_s: float = 0.0,
    last_hours: float | None = None,
    tell: Callable[[str], None] = lambda _text: None,
) -> Report:
    """Judge a line by its topics and tables, at most `wait_s` seconds after it has drained.

    Counts the ticks that frames-raw has when this is called; a line that goes on working is judged
    too. `last_hours`: what the broker took in before that is not judged. `tell` gets a line of text
    now and then. Changes nothing anywhere. Raises UserError (no topics, no database, another
    layout), FatalError (Kafka went away).
    """
    names = [name for name in topics() if not name.endswith("-state")]
    check_topics(kafka, line, names)
    with (
        line_reader(kafka, line, last_hours) as reader,
        # A database that is not there is the user's to mend before any wait.
        snapshot(sql.conninfo(), sql.connect_timeout_s),
    ):
        cuts = [reader.end("frames-raw", number) for number in reader.partitions]
        waiting_for = wait_until_drained(reader, wait_s, tell, time.sleep)
        # In this order: what was done by now is in the tables then, and on the topics after that.
        done = {(one.stage, one.topic): reader.committed(*one) for one in READERS}
        with snapshot(sql.conninfo(), sql.connect_timeout_s) as tables:
            report = _LineJudge(reader, tables, done, cuts, tell).judge()
    report.waiting_for = waiting_for
    return report


class _LineJudge:
    """Judges partition by partition, then what belongs to all."""

    def __init__(
        self,
        reader: LineReader,
        tables: Tables,
        done: Done,
        cuts: list[int],
        tell: Callable[[str], None],
    ) -> None:
        self._reader = reader
        self._tables = tables
        self._done = done
        self._cuts = cuts
        self._tell = tell
        self._report = Report()
        self._findings = self._report.findings
        self._alerts = AlertJudge(reader.name("alerts"), self._findings)
        self._models: set[str] = set()
        self._runs: dict[tuple[str, str], list[tuple[int, Run]]] = defaultdict(list)
        self._alert_begins: list[int] = []

    def judge(self) -> Report:
        partitions = self._reader.partitions
        begins = [
            [self._reader.begin(t, n) for n in partitions] for t in ("frames-raw", "detections")
        ]
        rows = _ByPartition(self._tables.rows(*begins), self._findings)
        for number in partitions:
            self._tell(f"partition {number} of {len(partitions)}")
            self._judge_partition(number, rows)
        rows.finish()
        self._judge_numbers()
        self._tell("the tables")
        self._judge_tables()
        self._report.read = dict(self._reader.read)
        return self._report

    def _judge_partition(self, number: int, rows: _ByPartition) -> None:
        report, cut = self._report, self._cuts[number]
        reading = PartitionReader(self._reader, number, self._done, cut, self._findings)
        judged = reading.judge(rows.of(number), self._alerts)
        done = {
            stage: self._done[stage, topic][number]
            for stage, topic in READERS
            if (stage, topic) != ("sql", "alerts")
        }
        absent = AbsentJudge(judged, number, cut, done).judge(self._tables.places, self._findings)
        counted = sum(1 for tick in judged.raw.ticks.values() if tick.offset < cut)
        report.ticks += counted - absent.elsewhere
        report.rows += judged.rows.rows
        report.older_rows += judged.rows.older
        report.in_flight += absent.in_flight
        report.in_flight += sum(letters.in_flight for letters in judged.letters.values())
        for key, run in judged.raw.runs.items():
            self._runs[key].append((number, run))
        self._models |= judged.results.models
        self._alert_begins.append(reading.begin("alerts"))

    def _judge_numbers(self) -> None:
        topic = self._reader.name("frames-raw")
        for (camera, name), runs in self._runs.items():
            for gap in gaps(runs):
                told = f"{camera}: run {name} has no number {gap.first}"
                told += f" to {gap.last}" if gap.size > 1 else ""
                place = topic_place(topic, gap.partition, gap.offset)
                self._findings.add("lost", told, f"before {place}", gap.size)

    def _judge_tables(self) -> None:
        for found in self._tables.boxes_without_row(sorted(self._models)):
            told = f"{found.boxes} boxes of {found.model}, and no row of that model"
            look = row_query(found.frame, "detections")
            self._findings.add("unexplained", f"{name_of(found.frame)}: {told}", look)
        for minute in self._tables.wrong_minutes():
            self._mismatch("camera_minutes", "the rows", minute)
        for change in self._tables.changes():
            inside = 0 <= change.partition < len(self._alert_begins)
            begin = self._alert_begins[change.partition] if inside else 0
            self._alerts.take_row(change, begin)
        self._alerts.finish(self._done["sql", "alerts"])
        self._report.in_flight += self._alerts.in_flight
        for alert in self._tables.wrong_alerts():
            self._mismatch("alerts", "alert_events", alert)

    def _mismatch(self, table: str, source: str, wrong: Mismatch) -> None:
        told = f"{table}: {wrong.name} is not what {source} add up to ({source} / {table}): "
        look = f"SELECT * FROM {table}"  # noqa: S608 # for people
        self._findings.add("unexplained", told + wrong.differences(), look)


class _ByPartition:
    """Rows that come sorted by partition, dealt out partition by partition."""

    def __init__(self, rows: Iterator[Row], findings: Findings) -> None:
        self._rows = rows
        self._findings = findings
        self._next = next(rows, None)

    def of(self, partition: int) -> Iterator[Row]:
        while self._next is not None and self._next.partition <= partition:
            if self._next.partition == partition:
                yield self._next
            else:
                self._tell_stray(self._next)
            self._next = next(self._rows, None)

    def finish(self) -> None:
        while self._next is not None:
            self._tell_stray(self._next)
            self._next = next(self._rows, None)

    def _tell_stray(self, row: Row) -> None:
        told = f"its row is from partition {row.partition}, which no topic has"
        self._findings.add("unexplained", f"{name_of(row.frame)}: {told}", row_query(row.frame))
