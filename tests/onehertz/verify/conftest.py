"""Lines that were filled by hand, with no stage running: on real servers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr

from onehertz.verify import Report, verify_line
from runtime.kafka import KafkaSettings, Sender
from runtime.topics import LineSettings, create_topics
from sinks.sql.connection import connect
from sinks.sql.migrate import migrate
from sinks.sql.settings import SqlSettings
from sinks.sql.writer import AlertDelivery, Delivery, Writer
from tests.fixtures.database import new_database
from tests.fixtures.servers import Servers
from tests.onehertz.verify.story import Story, tell

PARTITIONS = 2
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


@pytest.fixture(scope="session")
def kafka(servers: Servers) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=servers.bootstrap_servers)


def new_line() -> LineSettings:
    return LineSettings(prefix=f"verify-{uuid.uuid4().hex[:12]}.", partitions=PARTITIONS)


@pytest.fixture(scope="session")
def whole_line(servers: Servers, kafka: KafkaSettings) -> tuple[LineSettings, Story]:
    """Topics that hold the whole story, for tests that change rows alone."""
    line = new_line()
    story = tell(line.prefix)
    publish(kafka, line, story)
    return line, story


@pytest.fixture
def clean(
    kafka: KafkaSettings, whole_line: tuple[LineSettings, Story], database: str
) -> FilledLine:
    """Nothing is wrong with it. Its tables are this test's alone, its topics are not."""
    filled = FilledLine(kafka, whole_line[0], database, whole_line[1])
    filled.write_rows()
    return filled


@pytest.fixture
def fill(kafka: KafkaSettings, database: str) -> Callable[..., FilledLine]:
    """Makes a line of this test's own from what `write` makes of a prefix."""

    def make(write: Callable[[str], Story], *, done: bool = True, rows: bool = True) -> FilledLine:
        line = new_line()
        story = write(line.prefix)
        publish(kafka, line, story, done=done)
        filled = FilledLine(kafka, line, database, story)
        if rows:
            filled.write_rows()
        return filled

    return make
