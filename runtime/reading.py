"""Reading chosen parts of partitions, without a consumer group."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from runtime.errors import FatalError
from runtime.kafka import MISSING_TOPIC, as_fatal, asked, is_transient, missing_topic

_REQUEST_S = 15.0


def ends_of(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """A partition's first offset, and the one that its next record will have. Raises FatalError."""
    place = TopicPartition(topic, partition)
    try:
        return asked(lambda: consumer.get_watermark_offsets(place, timeout=_REQUEST_S))
    except KafkaException as error:
        if error.args[0].code() in MISSING_TOPIC:
            raise FatalError(missing_topic(topic)) from None
        raise as_fatal(error, f"looking for the ends of {topic}[{partition}]") from None


def read_all(
    consumer: Consumer, topic: str, partition: int, start: int = -1
) -> Generator[Message, None, None]:
    """Committed messages of a partition from `start` (-1: its beginning) to its present end."""
    low, high = ends_of(consumer, topic, partition)
    if low >= high or start >= high:
        return
    consumer.assign([TopicPartition(topic, partition, max(low, start))])
    try:
        for message in _until_end(consumer, f"{topic}[{partition}]"):
            yield message
            if message.offset() + 1 >= high:
                return
    finally:
        consumer.unassign()


def _until_end(consumer: Consumer, where: str) -> Iterator[Any]:
    """Messages until the end that readers of committed ones see. A broker may be away for long."""
    deadline = time.monotonic() + _REQUEST_S
    while time.monotonic() < deadline:
        message: Any = consumer.poll(1.0)
        error = None if message is None else message.error()
        if message is not None and error is None:
            yield message
            deadline = time.monotonic() + _REQUEST_S
        elif error is not None and error.code() == KafkaError._PARTITION_EOF:
            return
        elif error is not None and not is_transient(error):
            raise FatalError(f"{where}: {error.str()}")
    raise FatalError(f"{where} can't be read to its end: no answer for {_REQUEST_S:.0f} s")


def read_last(consumer: Consumer, topic: str, partition: int) -> Message | None:
    """The newest committed message of a partition: its last offsets may be transaction markers."""
    low, high = ends_of(consumer, topic, partition)
    span = 16
    while high > low:
        last = None
        for last in read_all(consumer, topic, partition, max(low, high - span)):  # noqa: B007
            pass
        if last is not None or high - span <= low:
            return last
        span *= 8
    return None


def read_tail(consumer: Consumer, topic: str, partition: int, records: int) -> Iterator[Message]:
    """The newest committed messages of a partition, at most `records`."""
    low, high = ends_of(consumer, topic, partition)
    yield from read_all(consumer, topic, partition, max(low, high - records))
