"""Reading along: messages of a topic as they come, or all that are there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from runtime.errors import FatalError
from runtime.kafka import KafkaSettings, as_fatal, reader

_SILENCE_S = 30.0
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

    Without `span.follow` it is over when each partition has been read to the end that it has then.
    With it, a broker that goes away is waited for. Raises FatalError.
    """
    consumer = reader(settings)
    # Logical offsets: the client finds out by itself where they are, and who leads a new partition.
    start = OFFSET_BEGINNING if span.from_beginning else OFFSET_END
    unread = set(range(partitions))
    heard_s = time.monotonic()
    try:
        consumer.assign([TopicPartition(topic, number, start) for number in range(partitions)])
        while span.follow or unread:
            message = consumer.poll(1.0)
            if message is None:
                if not span.follow and time.monotonic() - heard_s > _SILENCE_S:
                    raise FatalError(f"{topic} can't be read to its end: Kafka does not answer")
                continue
            error = message.error()
            if error is None:
                heard_s = time.monotonic()
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition() or 0)
            elif not (error.retriable() or error.code() in _AWAY):
                raise FatalError(f"{topic}: {error.str()}")
    except KafkaException as error:
        raise as_fatal(error, f"reading {topic}") from None
    finally:
        consumer.close()
