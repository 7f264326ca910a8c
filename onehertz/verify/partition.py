"""One partition of all topics, and its rows: read and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

from onehertz.verify.alerts import AlertJudge
from onehertz.verify.facts import Row, gated_fact, malformed_gated_fact, raw_fact, result_fact
from onehertz.verify.findings import Findings
from onehertz.verify.gated import GatedJudge
from onehertz.verify.letters import LetterJudge, read_letter
from onehertz.verify.raw import RawJudge
from onehertz.verify.reading import READERS, STAGE_TOPICS, LineReader, Took
from onehertz.verify.results import ResultJudge
from onehertz.verify.rows import RowJudge
from schemas.catalogue import DLQ_SUFFIX
from schemas.codec import Received, decode_alert, decode_gated, decode_raw, decode_result, salvage
from schemas.errors import DecodeError
from schemas.messages import RawRecord, Rejected

# By stage and topic, by partition: the offset before which the stage says it is done.
Done = dict[tuple[str, str], dict[int, int]]
T = TypeVar("T")

UNUSABLE: Final = frozenset({"undecodable", "too-small", "too-large", "malformed", "failed"})


class Judged(NamedTuple):
    """A partition after all its topics were read."""

    raw: RawJudge
    gated: GatedJudge
    results: ResultJudge
    rows: RowJudge
    letters: dict[str, LetterJudge]


class PartitionReader:
    """Reads a partition's topics in the order of the line, each judged on the one before it."""

    def __init__(
        self, reader: LineReader, partition: int, done: Done, cut: int, findings: Findings
    ) -> None:
        self._reader = reader
        self._partition = partition
        self._done = done
        self._cut = cut
        self._findings = findings
        self._begins = {topic: reader.begin(topic, partition) for topic in STAGE_TOPICS}
        self._letters = {topic: self._letter_judge(topic) for topic in STAGE_TOPICS}

    def judge(self, rows: Iterable[Row], alerts: AlertJudge) -> Judged:
        """All of the partition; `rows` are its rows of `frames`."""
        raw = self._raw()
        gated = self._gated(raw)
        results = self._results(gated)
        self._alerts(results, alerts)
        for letters in self._letters.values():
            letters.finish()
        self._rejections(gated, results)
        judge = RowJudge(raw, results, self._cut, self._findings)
        for row in rows:
            judge.take(row)
        return Judged(raw, gated, results, judge, self._letters)

    def begin(self, topic: str) -> int:
        """The first offset of the topic that is read."""
        return self._begins[topic]

    def _raw(self) -> RawJudge:
        topic = "frames-raw"
        judge = RawJudge(self._name(topic), self._partition, self._begins[topic], self._findings)
        for took in self._messages(topic):
            error, record = _raw_of(took)
            if record is not None:
                fact = raw_fact(record, took.offset, took.appended_at_us)
                judge.take(fact)
                error = error if fact.possible else "capture-time: impossible"
            self._letters[topic].take(took.received, took.offset, error)
        return judge

    def _gated(self, raw: RawJudge) -> GatedJudge:
        topic = "frames-gated"
        begin = self._begins[topic]
        judge = GatedJudge(self._name(topic), self._partition, begin, raw, self._findings)
        for took, record, rejected in self._decoded(topic, decode_gated):
            if record is not None:
                judge.take(gated_fact(record, took.offset))
            elif rejected is not None:
                judge.take(malformed_gated_fact(rejected, took.offset))
        return judge

    def _results(self, gated: GatedJudge) -> ResultJudge:
        topic = "detections"
        judge = ResultJudge(
            self._name(topic),
            self._partition,
            self._begins[topic],
            self._done["sql", topic][self._partition],
            self._letters[topic].offsets("sql"),
            gated,
            self._findings,
        )
        for took, record, _ in self._decoded(topic, decode_result):
            if record is not None:
                judge.take(result_fact(record, took.offset))
        return judge

    def _alerts(self, results: ResultJudge, judge: AlertJudge) -> None:
        for took, record, _ in self._decoded("alerts", decode_alert):
            if record is not None:
                judge.take(record, self._partition, took.offset, results)

    def _rejections(self, gated: GatedJudge, results: ResultJudge) -> None:
        """What a stage could not use goes on as rejected, and to the dead letters."""
        for record in gated.by_offset.values():
            if record.why in UNUSABLE:
                self._letters["frames-raw"].expect(record.raw_offset, "gate", record.frame)
        for result in results.winners.values():
            before = gated.by_offset.get(result.said.gated_offset or 0)
            if result.said.reason in UNUSABLE and before is not None and before.status == "kept":
                self._letters["frames-gated"].expect(before.offset, "infer", result.frame)

    def _decoded(
        self, topic: str, decode: Callable[[Received], T]
    ) -> Iterable[tuple[Took, T | None, Rejected | None]]:
        """Messages with their record, or with what is left of a tick that does not decode."""
        for took in self._messages(topic):
            try:
                record = decode(took.received)
            except DecodeError as error:
                self._letters[topic].take(took.received, took.offset, str(error))
                yield took, None, salvage(took.received, error)
            else:
                self._letters[topic].take(took.received, took.offset, None)
                yield took, record, None

    def _messages(self, topic: str) -> Iterable[Took]:
        return self._reader.messages(topic, self._partition, self._begins[topic])

    def _letter_judge(self, topic: str) -> LetterJudge:
        dlq = topic + DLQ_SUFFIX
        readers = {
            one.stage: self._done[one.stage, topic][self._partition]
            for one in READERS
            if one.topic == topic
        }
        judge = LetterJudge(
            self._name(topic),
            self._name(dlq),
            self._partition,
            self._begins[topic],
            readers,
            self._findings,
        )
        begin = self._reader.begin(dlq, self._partition)
        took = self._reader.messages(dlq, self._partition, begin)
        judge.take_letters(read_letter(one.received, one.offset) for one in took)
        return judge

    def _name(self, topic: str) -> str:
        return self._reader.name(topic)


def _raw_of(took: Took) -> tuple[str | None, RawRecord | Rejected | None]:
    """Why a message of frames-raw does not decode, if so; and its tick, or what is left of it."""
    try:
        return None, decode_raw(took.received)
    except DecodeError as error:
        return str(error), salvage(took.received, error)
