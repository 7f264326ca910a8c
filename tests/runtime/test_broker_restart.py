"""The broker is killed (-9) and comes back: everything waits, nothing is lost, no process ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from runtime.errors import Fenced
from runtime.kafka import KafkaSettings
from runtime.outbox import Batch, Output
from runtime.sender import Sender
from runtime.subscription import Subscription
from runtime.transactions import Transactions
from schemas.codec import Wire
from tests.runtime.conftest import NewTopicOf
from tests.runtime.members import values
from tests.waiting import eventually


class CanKillKafka(Protocol):
    """What is needed of the fixture `servers`."""

    def kill_kafka(self) -> None: ...
    def start_kafka(self) -> None: ...


class Checkpointing(threading.Thread):
    """One checkpoint, held up between its outputs and its commit until `go_on`."""

    def __init__(self, settings: KafkaSettings, name: str, topic: str, metadata: bytes) -> None:
        super().__init__(daemon=True)
        self.at_commit, self.go_on = threading.Event(), threading.Event()
        self.fenced: bool | None = None
        self.signs_of_life = 0
        self._topic, self._metadata = topic, metadata
        self.sender = Transactions(settings, name, "unused", self._hold, self._wait)

    def run(self) -> None:
        self.fenced = self.commit()

    def commit(self) -> bool:
        """Whether it was refused."""
        wire = Wire(b"north", b"kept", [("ce_rawoffset", b"1")])
        try:
            self.sender.commit(Batch([Output(self._topic, 0, wire)], {}), self._metadata)
        except Fenced:
            return True
        return False

    def _hold(self) -> None:
        self.at_commit.set()
        assert self.go_on.wait(60)

    def _wait(self) -> None:
        self.signs_of_life += 1


def test_everything_goes_on_after_the_broker_was_killed_in_mid_transaction(
    servers: CanKillKafka,
    kafka: KafkaSettings,
    admin: AdminClient,
    new_topic: NewTopicOf,
    produce: Callable[..., None],
    values_of: Callable[..., list[bytes]],
    prefix: str,
) -> None:
    """One test for all clients: an outage takes 8 s."""
    source, sent = new_topic("in"), new_topic("sent")
    targets = {1_000: new_topic("out-short"), 60_000: new_topic("out-long")}
    produce(source, b"a", b"b")
    reading = Subscription(kafka, f"{prefix}group", [source])
    got: list[bytes] = []

    def has_read(value: bytes) -> bool:
        got.extend(values(reading.poll(10, 0.05)))
        return value in got

    eventually(lambda: has_read(b"b"))
    metadata = reading.group_metadata()
    # The first one's transaction may be over before the broker is back.
    checkpoints = {
        timeout_ms: Checkpointing(
            kafka.model_copy(update={"transaction_timeout_ms": timeout_ms}),
            f"{prefix}{timeout_ms}",
            topic,
            metadata,
        )
        for timeout_ms, topic in targets.items()
    }
    for checkpoint in checkpoints.values():
        checkpoint.start()
        assert checkpoint.at_commit.wait(30)
    sender = Sender(kafka)
    acknowledged: list[int] = []

    servers.kill_kafka()
    try:
        for checkpoint in checkpoints.values():
            checkpoint.go_on.set()
        sender.send(sent, Wire(b"k", b"v", []), partition=0, acknowledged=acknowledged.append)
        reading.commit({(source, 0): 2})  # gives up waiting after COMMIT_WAIT_S
        assert has_read(b"b")
        assert acknowledged == []
    finally:
        servers.start_kafka()

    assert sender.flush(60) == 0
    assert acknowledged == [0]
    produce(source, b"c")
    eventually(lambda: has_read(b"c"), 60)
    # What was not committed in time may come again; nothing is left out, and the order is kept.
    assert list(dict.fromkeys(got)) == [b"a", b"b", b"c"]
    reading.commit({(source, 0): 3})
    eventually(lambda: has_read(b"c") and committed(admin, f"{prefix}group", source) == 3, 30)
    reading.close()
    for timeout_ms, checkpoint in checkpoints.items():
        checkpoint.join(90)
        assert checkpoint.signs_of_life > 0
        expected = [] if checkpoint.fenced else [b"kept"]
        assert values_of(targets[timeout_ms]) == expected
        # And it can go on, without a new process.
        assert not checkpoint.commit()
        assert values_of(targets[timeout_ms]) == [*expected, b"kept"]


def committed(admin: AdminClient, group: str, topic: str) -> int:
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
    places = admin.list_consumer_group_offsets([asked])[group].result().topic_partitions or []
    return int(places[0].offset)
