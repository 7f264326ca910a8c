"""A topic's records from its beginning, as fast as confluent-kafka gives them."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Message, TopicPartition

from runtime.kafka import KafkaSettings, reader

_BATCH = 500


def records(kafka: KafkaSettings, topic: str, partitions: int) -> Iterator[Message]:
    """Never ends: the caller knows how many there are."""
    consumer = reader(kafka)
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    try:
        while True:
            for message in consumer.consume(_BATCH, 0.1):
                if message.error() is None:
                    yield message
    finally:
        consumer.close()
