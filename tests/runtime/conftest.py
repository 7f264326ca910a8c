"""A real Kafka, with topics and groups of each test's own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Protocol

import pytest
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from runtime.kafka import KafkaSettings, admin_client, producer_config, reader
from runtime.reading import ends_of, read_all
from tests.runtime.members import Joined, Member
from tests.waiting import eventually


class HasKafka(Protocol):
    """What is needed of the fixture `servers`."""

    @property
    def bootstrap_servers(self) -> str: ...


@pytest.fixture
def kafka(servers: HasKafka) -> KafkaSettings:
    """Time-outs as short as tests want them."""
    return KafkaSettings(
        bootstrap_servers=servers.bootstrap_servers,
        session_timeout_ms=3_000,
        transaction_timeout_ms=3_000,
    )


@pytest.fixture
def admin(kafka: KafkaSettings) -> AdminClient:
    return admin_client(kafka)


@pytest.fixture
def prefix() -> str:
    """For names that nobody else has."""
    return f"t{uuid.uuid4().hex[:10]}."


NewTopicOf = Callable[..., str]


@pytest.fixture
def new_topic(admin: AdminClient, prefix: str) -> Iterator[NewTopicOf]:
    """Makes a topic; removes it after the test."""
    made: list[str] = []

    def of(name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        topic = prefix + name
        settled(admin, topic, lambda: create(admin, topic, partitions, config or {}), there=True)
        made.append(topic)
        return topic

    yield of
    for topic, future in (admin.delete_topics(made) if made else {}).items():
        error = future.exception()
        # Where the test itself has deleted it.
        assert error is None or is_missing(error), topic


def is_missing(error: BaseException) -> bool:
    codes = (KafkaError.UNKNOWN_TOPIC_OR_PART,)
    return isinstance(error, KafkaException) and error.args[0].code() in codes


def create(admin: AdminClient, topic: str, partitions: int, config: Mapping[str, str]) -> None:
    new = NewTopic(topic, partitions, 1, config=dict(config))
    admin.create_topics([new])[topic].result()


@pytest.fixture
def make_anew(admin: AdminClient) -> Callable[..., None]:
    """Deletes a topic and makes another one of the same name."""

    def of(topic: str, partitions: int = 1) -> None:
        settled(admin, topic, lambda: admin.delete_topics([topic])[topic].result(), there=False)
        settled(admin, topic, lambda: create(admin, topic, partitions, {}), there=True)

    return of


def settled(admin: AdminClient, topic: str, change: Callable[[], object], *, there: bool) -> None:
    """Make a change and wait until the broker shows it."""
    change()
    eventually(lambda: (topic in admin.list_topics(timeout=10).topics) == there)


@pytest.fixture(scope="session")
def producer(servers: HasKafka) -> Producer:
    """One for all tests: each costs a tenth of a second until it can send."""
    return Producer(producer_config(KafkaSettings(bootstrap_servers=servers.bootstrap_servers)))


@pytest.fixture
def produce(producer: Producer) -> Callable[..., None]:
    """Writes values to a partition and waits until they are there."""

    def of(topic: str, *values: bytes, partition: int = 0, timestamp_ms: int = 0) -> None:
        for value in values:
            producer.produce(topic, value, b"key", partition=partition, timestamp=timestamp_ms)
        assert producer.flush(30) == 0

    return of


@pytest.fixture
def values_of(kafka: KafkaSettings) -> Callable[..., list[bytes]]:
    """The committed values of a partition, or (isolation read_uncommitted) all of them.

    A commit is answered before its marker lies on the partition: committed values are read when no
    transaction is open on it any more.
    """

    def of(topic: str, partition: int = 0, isolation: str = "read_committed") -> list[bytes]:
        everything, consumer = reader(kafka, "read_uncommitted"), reader(kafka, isolation)
        try:
            if isolation == "read_committed":
                # Both ends anew each time: the marker itself moves the end.
                eventually(
                    lambda: (
                        ends_of(consumer, topic, partition) == ends_of(everything, topic, partition)
                    ),
                    why="all is committed",
                )
            return [message.value() or b"" for message in read_all(consumer, topic, partition)]
        finally:
            everything.close()
            consumer.close()

    return of


@pytest.fixture
def delete_before(admin: AdminClient) -> Callable[[str, int, int], None]:
    """Lets a partition begin at an offset, as retention would."""

    def of(topic: str, partition: int, offset: int) -> None:
        place = TopicPartition(topic, partition, offset)
        for future in admin.delete_records([place]).values():
            future.result()

    return of


def reset_group(admin: AdminClient, group: str, topic: str, offset: int) -> None:
    """As kafka-consumer-groups.sh --reset-offsets, for partition 0."""
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, offset)])

    def is_done() -> bool:
        answer = admin.alter_consumer_group_offsets([wanted])[group].result()
        return all(place.error is None for place in answer.topic_partitions or [])

    eventually(is_done)  # not while the broker still loads its groups


@pytest.fixture
def join(kafka: KafkaSettings, prefix: str) -> Iterator[Joined]:
    """Joins the test's group; leaves it after the test."""
    with ExitStack() as joined:

        def of(topic: str, settings: KafkaSettings = kafka, **more: object) -> Member:
            member = Member(settings, f"{prefix}group", topic, **more)
            joined.callback(member.close)
            return member

        yield of


@pytest.fixture
def committed(admin: AdminClient, prefix: str) -> Callable[[str], dict[int, int]]:
    """The group's offsets by partition."""

    def of(topic: str) -> dict[int, int]:
        group = f"{prefix}group"
        count = len(admin.list_topics(topic, timeout=10).topics[topic].partitions)
        asked = ConsumerGroupTopicPartitions(
            group, [TopicPartition(topic, number) for number in range(count)]
        )
        answer = admin.list_consumer_group_offsets([asked])[group].result()
        return {p.partition: p.offset for p in answer.topic_partitions if p.offset >= 0}

    return of
