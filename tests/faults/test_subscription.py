"""A member of a group that has been paused, or expelled."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from runtime.errors import Fenced
from runtime.kafka import KafkaSettings
from runtime.subscription import Subscription
from tests.fixtures.servers import Servers
from tests.waiting import eventually

WITHIN_S = 30.0


@pytest.fixture
def kafka(servers: Servers) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=servers.bootstrap_servers)


@pytest.fixture
def topic(kafka: KafkaSettings) -> Iterator[str]:
    """A topic of two partitions."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    name = f"subscription-{uuid.uuid4().hex[:8]}"
    admin.create_topics([NewTopic(name, 2, 1)])[name].result()
    # The controller has made it; the broker tells of it a moment later.
    eventually(lambda: name in admin.list_topics(timeout=5).topics)
    yield name
    admin.delete_topics([name])[name].result()


def test_a_partition_that_comes_back_is_read_though_it_was_lost_while_paused(
    kafka: KafkaSettings, topic: str
) -> None:
    one = Subscription(kafka, topic, [topic])
    _until(lambda: _share(one) == 2)
    one.pause()
    other = Subscription(kafka, topic, [topic])
    _until(lambda: (_share(one), _share(other)) == (1, 1))
    one.resume()
    other.close()
    _until(lambda: _share(one) == 2)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for partition in (0, 1):
        producer.produce(topic, b"news", partition=partition)
    producer.flush(WITHIN_S)
    heard: list[int | None] = []

    def both_are_heard() -> bool:
        heard.extend(message.partition() for message in one.poll(10, 0.1))
        return set(heard) == {0, 1}

    _until(both_are_heard)
    one.close()


def test_a_process_that_is_in_no_group_can_not_stamp_a_transaction(
    kafka: KafkaSettings, topic: str
) -> None:
    # Kafka would take its offsets. So a process could write over its successor's work whose client
    # learns, on waking, before its role does that the group went on.
    subscription = Subscription(kafka, topic, [topic])
    with pytest.raises(Fenced):
        subscription.group_metadata()
    subscription.close()


def _share(member: Subscription) -> int:
    """How many partitions it has after another poll; the topic is still empty."""
    assert member.poll(1, 0.05) == []
    return len(member.owned)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline
