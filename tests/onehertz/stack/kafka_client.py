"""What the tests of the stack do with its Kafka."""

from __future__ import annotations

import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


def make_topic(bootstrap_servers: str, **settings: str) -> str:
    """A new topic with one partition; returns its name."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    client = AdminClient({"bootstrap.servers": bootstrap_servers})
    client.create_topics([NewTopic(name, 1, 1, config=settings)])[name].result(30)
    return name


def produce_in_transaction(bootstrap_servers: str, topic: str, values: list[bytes]) -> None:
    """All values or none."""
    producer = Producer(
        {"bootstrap.servers": bootstrap_servers, "transactional.id": topic, "log_level": 0}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    producer.commit_transaction(30)


def read(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    """The first `count` committed values of the topic's only partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"reader-{topic}",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        messages = consumer.consume(count, timeout=30)
        return [message.value() or b"" for message in messages if message.error() is None]
    finally:
        consumer.close()
