"""Reads a line's topics from their beginning, or from a moment on. Joins no group."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from onehertz.verify.report import TopicRead
from runtime.kafka import KafkaSettings, as_fatal, connection, reader
from runtime.reading import read_all, read_last
from runtime.topics import LineSettings
from schemas.codec import Received

_REQUEST_S = 15.0


class Reader(NamedTuple):
    """A stage's consumer group, and what it reads."""

    stage: str
    topic: str


# Who reads what, in the order of the line.
READERS: Final = (
    Reader("gate", "frames-raw"),
    Reader("infer", "frames-gated"),
    Reader("alerts", "detections"),
    Reader("sql", "detections"),
    Reader("sql", "alerts"),
)
STAGE_TOPICS: Final = ("frames-raw", "frames-gated", "detections", "alerts")


class Took(NamedTuple):
    """A message as it was read."""

    received: Received
    offset: int
    appended_at_us: int  # by the broker's clock


class LineReader:
    """Reads one line. Topics are named without the line's prefix."""

    def __init__(
        self, kafka: KafkaSettings, line: LineSettings, last_hours: float | None = None
    ) -> None:
        """`last_hours`: what the broker took in before that is treated as if it had expired."""
        self.read: dict[str, TopicRead] = defaultdict(TopicRead)
        self.partitions = range(line.partitions)
        self._kafka = kafka
        self._line = line
        self._consumer = reader(kafka)
        self._since_ms = (
            None if last_hours is None else round((time.time() - last_hours * 3600) * 1e3)
        )

    def name(self, topic: str) -> str:
        """The topic's name on the broker."""
        return self._line.topic(topic)

    def begin(self, topic: str, partition: int) -> int:
        """The first offset that there is to read."""
        place = TopicPartition(self.name(topic), partition)
        low, high = self._consumer.get_watermark_offsets(place, timeout=_REQUEST_S)
        if self._since_ms is None:
            return int(low)
        place.offset = self._since_ms
        found = self._consumer.offsets_for_times([place], timeout=_REQUEST_S)[0].offset
        return int(high) if found < 0 else max(int(low), found)

    def end(self, topic: str, partition: int) -> int:
        """The offset behind the last message."""
        place = TopicPartition(self.name(topic), partition)
        return int(self._consumer.get_watermark_offsets(place, timeout=_REQUEST_S)[1])

    def last(self, topic: str, partition: int) -> int:
        """The offset of the last message; -1 where there is none. Not so simple as `end` - 1:
        the marker of a transaction takes an offset too."""
        message = read_last(self._consumer, self.name(topic), partition)
        return -1 if message is None else int(message.offset() or 0)

    def messages(self, topic: str, partition: int, begin: int) -> Iterator[Took]:
        """The committed messages from `begin` to the present end."""
        told = self.read[topic]
        told.partitions_cut += begin > 0
        for message in read_all(self._consumer, self.name(topic), partition, begin):
            told.messages += 1
            yield _took(message)

    def committed(self, stage: str, topic: str) -> dict[int, int]:
        """By partition, the offset before which the stage's group says it is done; 0: nothing."""
        group = self._line.group(stage)
        consumer = Consumer(
            connection(self._kafka) | {"group.id": group, "enable.auto.commit": False}
        )
        try:
            places = [TopicPartition(self.name(topic), number) for number in self.partitions]
            found = consumer.committed(places, timeout=_REQUEST_S)
            return {place.partition: max(0, place.offset) for place in found}
        finally:
            consumer.close()

    def close(self) -> None:
        self._consumer.close()


@contextmanager
def line_reader(
    kafka: KafkaSettings, line: LineSettings, last_hours: float | None
) -> Iterator[LineReader]:
    """A LineReader that is closed at the end. What Kafka raises comes out as FatalError."""
    opened = LineReader(kafka, line, last_hours)
    try:
        yield opened
    except KafkaException as error:
        raise as_fatal(error, "reading the line's topics") from None
    finally:
        opened.close()


def _took(message: Message) -> Took:
    _, appended_at_ms = message.timestamp()
    value = message.value()
    headers = message.headers()
    offset = message.offset()
    if offset is None:
        raise ValueError("a message that was never consumed")
    return Took(
        Received(message.key(), value, headers),  # type: ignore[arg-type] # librdkafka gives bytes
        offset,
        appended_at_ms * 1000,
    )
