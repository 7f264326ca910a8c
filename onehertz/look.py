"""Reading along: messages of a topic as they come, or all that are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from runtime.errors import FatalError
from runtime.kafka import KafkaSettings, as_fatal, reader

_REQUEST_S = 15.0
# A broker that is away for a while: the client goes on trying by itself.
_AWAY = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
    }
)


@dataclass(frozen=True)
class Span:
    """Which part of a topic: from its beginning or its end, and whether to wait for more."""

    from_beginning: bool = False
    follow: bool = True


def messages(settings: KafkaSettings, topic: str, partitions: int, span: Span) -> Iterator[Message]:
    """Committed messages of all partitions; within a partition in their order.

    Without `span.follow` it ends at the end that each partition has when it gets there, so at once
    if it starts there. A broker that goes away meanwhile is waited for. Raises FatalError.
    """
    consumer = reader(settings)
    try:
        ends = _assign(consumer, topic, partitions, span)
        while span.follow or ends:
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                ends.discard(message.partition() or 0)
            elif not (error.retriable() or error.code() in _AWAY):
                raise FatalError(f"{topic}: {error.str()}")
    except KafkaException as error:
        raise as_fatal(error, f"reading {topic}") from None
    finally:
        consumer.close()


def _assign(consumer: Consumer, topic: str, partitions: int, span: Span) -> set[int]:
    """Start to read; the partitions that have something to read before their end."""
    starts = []
    ends = set()
    for number in range(partitions):
        place = TopicPartition(topic, number)
        low, high = consumer.get_watermark_offsets(place, timeout=_REQUEST_S)
        starts.append(TopicPartition(topic, number, low if span.from_beginning else high))
        if span.from_beginning and low < high:
            ends.add(number)
    consumer.assign(starts)
    return ends
