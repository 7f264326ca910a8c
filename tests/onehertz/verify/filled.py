"""A line whose topics and tables were filled by hand, and what verify says of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr

from onehertz.verify import Report, verify_line
from runtime.kafka import KafkaSettings
from runtime.sender import Sender
from runtime.topics import LineSettings, create_topics
from sinks.sql.connection import connect
from sinks.sql.settings import SqlSettings
from sinks.sql.writer import AlertDelivery, Delivery, Writer
from tests.onehertz.verify.story import Story

_READS = {
    "gate": ("frames-raw",),
    "infer": ("frames-gated",),
    "alerts": ("detections",),
    "sql": ("detections", "alerts"),
}


@dataclass(frozen=True)
class FilledLine:
    """A line whose topics hold a story, and its tables the rows of it."""

    kafka: KafkaSettings
    line: LineSettings
    dsn: str
    story: Story

    def verify(self, **options: Any) -> Report:
        return verify_line(self.kafka, self.line, self.sql, **options)

    @property
    def sql(self) -> SqlSettings:
        return SqlSettings(dsn=SecretStr(self.dsn))

    def execute(self, statement: str, values: Any = None) -> int:
        """Changes rows behind the writer's back; how many."""
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(statement.encode(), values).rowcount

    def update(self, table: str, assignment: str, where: str) -> int:
        return self.execute(f"UPDATE {table} SET {assignment} WHERE {where}")  # noqa: S608

    def delete(self, table: str, where: str) -> int:
        return self.execute(f"DELETE FROM {table} WHERE {where}")  # noqa: S608

    def double(self, table: str, where: str) -> int:
        return self.execute(f"INSERT INTO {table} SELECT * FROM {table} WHERE {where}")  # noqa: S608

    def write_rows(self) -> None:
        """What the SQL sink would have written of the story."""
        with connect(self.dsn) as connection:
            writer = Writer(connection)
            for partition, records in self.story.results.items():
                writer.write([Delivery(r, partition, n) for n, r in enumerate(records)])  # type: ignore[arg-type] # results only
            for partition, changes in self.story.changes.items():
                writer.write_alerts([AlertDelivery(c, partition, n) for n, c in enumerate(changes)])


def publish(kafka: KafkaSettings, line: LineSettings, story: Story, *, done: bool = True) -> None:
    """Puts a story on new topics; `done`: with all of it committed by the stages' groups."""
    create_topics(kafka, line)
    sender = Sender(kafka)
    for (topic, partition), wires in story.topics.items():
        for wire in wires:
            sender.send(line.topic(topic), wire, partition=partition)
    assert sender.flush(30.0) == 0
    if done:
        for stage, topics in _READS.items():
            commit(kafka, line, story, stage, topics)


def commit(
    kafka: KafkaSettings, line: LineSettings, story: Story, stage: str, topics: tuple[str, ...]
) -> None:
    group = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": line.group(stage)})
    try:
        places = [
            TopicPartition(line.topic(topic), number, len(story.wires(topic, number)))
            for topic in topics
            for number in range(line.partitions)
        ]
        group.commit(offsets=places, asynchronous=False)
    finally:
        group.close()


def new_line() -> LineSettings:
    return LineSettings(prefix=f"verify-{uuid.uuid4().hex[:12]}.", partitions=2)


def counts(report: Report) -> tuple[int, int, int, int]:
    """lost, twice, out_of_order, unexplained"""
    found = report.findings.counts
    return found["lost"], found["twice"], found["out_of_order"], found["unexplained"]


def told(report: Report, *words: str) -> bool:
    """Whether one finding has all these words."""
    return any(
        all(word in f"{one.kind} {one.what} {one.look}" for word in words)
        for one in report.findings.first(100)
    )
