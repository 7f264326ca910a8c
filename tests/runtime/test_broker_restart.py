"""The broker is killed (-9) and comes back: roles wait, and lose and double nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from runtime.errors import Fenced
from runtime.kafka import KafkaSettings, consumer_config
from runtime.outbox import Batch, Output
from runtime.sender import Sender
from runtime.subscription import Place, Subscription
from runtime.transactions import Transactions
from schemas.codec import Wire
from tests.runtime.conftest import NewTopicOf, values
from tests.waiting import eventually


class CanKillKafka(Protocol):
    """What is needed of the fixture `servers`."""

    def kill_kafka(self) -> None: ...
    def start_kafka(self) -> None: ...


@pytest.fixture
def killed(servers: CanKillKafka) -> Iterator[Callable[[], None]]:
    """Kills the broker; whatever the test does, it is back afterwards."""
    dead: list[None] = []

    def kill() -> None:
        servers.kill_kafka()
        dead.append(None)

    yield kill
    if dead:
        servers.start_kafka()


def test_everything_goes_on_after_the_broker_was_killed_in_mid_transaction(
    servers: CanKillKafka,
    kafka: KafkaSettings,
    new_topic: NewTopicOf,
    produce: Callable[..., None],
    values_of: Callable[..., list[bytes]],
    prefix: str,
) -> None:
    """One test for all clients: a restart costs 5 s."""
    source, target, sent = new_topic("in"), new_topic("out"), new_topic("sent")
    produce(source, b"a", b"b")
    settings = kafka.model_copy(update={"transaction_timeout_ms": 3_000})
    reading = Subscription(settings, f"{prefix}reading", [source])
    eventually(lambda: len(reading.poll(10, 0.05)) + len(reading.owned))
    sender = Sender(settings)
    signs_of_life: list[None] = []
    at_commit, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        at_commit.set()
        assert go_on.wait(60)

    transactions = Transactions(
        settings, f"{prefix}slot", source, hold, lambda: signs_of_life.append(None)
    )
    outcome: list[object] = []
    with_group = Consumer(consumer_config(settings, f"{prefix}group"))
    with_group.subscribe([source])
    eventually(lambda: with_group.poll(0.05) or with_group.assignment())
    metadata = bytes(with_group.consumer_group_metadata())

    def commit() -> None:
        wire = Wire(b"north", b"kept", [("ce_rawoffset", b"1")])
        try:
            outcome.append(transactions.commit(Batch([Output(target, 0, wire)], {0: 2}), metadata))
        except Fenced as error:
            outcome.append(error)

    committing = threading.Thread(target=commit)
    committing.start()
    assert at_commit.wait(30)
    servers.kill_kafka()
    go_on.set()
    try:
        reading.commit({(source, 0): 2})  # is kept for later
        acknowledged: list[int] = []
        sender.send(sent, Wire(b"k", b"v", []), partition=0, acknowledged=acknowledged.append)
        assert acknowledged == []
    finally:
        servers.start_kafka()
    assert sender.flush(60) == 0
    assert acknowledged == [0]
    committing.join(90)
    print(outcome, len(signs_of_life))
    produce(source, b"c")
    got: list[bytes] = []
    eventually(lambda: got.extend(values(reading.poll(10, 0.05))) or b"c" in got, 60)  # type: ignore[func-returns-value]
    reading.close()
    with_group.close()
    print(got, values_of(target))
    assert 0
