"""Reading chosen parts of partitions, without a consumer group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from runtime.errors import FatalError

_REQUEST_S = 15.0


def read_all(consumer: Consumer, topic: str, partition: int, start: int = -1) -> Iterator[Message]:
    """Committed messages of a partition from `start` (-1: its beginning) to its present end."""
    place = TopicPartition(topic, partition)
    low, high = consumer.get_watermark_offsets(place, timeout=_REQUEST_S)
    if low >= high or start >= high:
        return
    consumer.assign([TopicPartition(topic, partition, max(low, start))])
    try:
        while True:
            message: Any = consumer.poll(_REQUEST_S)
            if message is None:
                raise FatalError(f"{topic}[{partition}] can't be read to its end: no answer")
            error = message.error()
            if error is None:
                yield message
                if message.offset() + 1 >= high:
                    return
            elif error.code() == KafkaError._PARTITION_EOF:
                return
            else:
                raise FatalError(f"{topic}[{partition}]: {error.str()}")
    finally:
        consumer.unassign()


def read_last(consumer: Consumer, topic: str, partition: int) -> Message | None:
    """The newest committed message of a partition: its last offsets may be transaction markers."""
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_REQUEST_S)
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
    place = TopicPartition(topic, partition)
    low, high = consumer.get_watermark_offsets(place, timeout=_REQUEST_S)
    yield from read_all(consumer, topic, partition, max(low, high - records))
