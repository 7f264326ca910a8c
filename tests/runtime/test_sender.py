"""Sending without losing, on a real Kafka."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from runtime.errors import FatalError, UserError
from runtime.kafka import KafkaSettings, admin_client, reader, wait_for_kafka
from runtime.sender import Sender
from schemas.codec import Wire
from tests.runtime.conftest import NewTopicOf

NO_KAFKA = "127.0.0.1:1"


def wire(value: bytes, key: bytes = b"north") -> Wire:
    return Wire(key, value, [("ce_id", b"1"), ("ce_id", b"2")])


def test_what_is_sent_is_acknowledged_with_its_offset_in_its_order(
    kafka: KafkaSettings, new_topic: NewTopicOf, values_of: Callable[..., list[bytes]]
) -> None:
    topic, sender = new_topic("out", 3), Sender(kafka)
    offsets: list[int] = []
    for n in range(50):
        sender.send(topic, wire(b"%d" % n), partition=1, acknowledged=offsets.append)
    assert sender.flush(30) == 0
    assert offsets == list(range(50))
    assert values_of(topic, 1) == [b"%d" % n for n in range(50)]


def test_the_key_chooses_the_partition_as_javas_clients_do(
    kafka: KafkaSettings, new_topic: NewTopicOf, values_of: Callable[..., list[bytes]]
) -> None:
    topic, sender = new_topic("out", 8), Sender(kafka)
    # murmur2 of org.apache.kafka.common.utils.Utils, modulo 8: its own test vectors.
    hashes = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key in hashes:
        sender.send(topic, wire(key, key))
    sender.flush(30)
    expected = {key: (value & 0x7FFFFFFF) % 8 for key, value in hashes.items()}
    found = {key: n for n in range(8) for key in values_of(topic, n)}
    assert found == expected


def test_a_full_queue_is_waited_for_and_not_overflowed(
    kafka: KafkaSettings, new_topic: NewTopicOf, values_of: Callable[..., list[bytes]]
) -> None:
    topic = new_topic("out")
    sender = Sender(kafka, {"queue.buffering.max.messages": 5})
    for n in range(100):
        sender.send(topic, wire(b"%d" % n), partition=0)
        assert len(sender) <= 5
    sender.flush(30)
    assert values_of(topic) == [b"%d" % n for n in range(100)]


def test_a_sender_waits_for_a_kafka_that_is_not_there() -> None:
    settings = KafkaSettings(bootstrap_servers=NO_KAFKA)
    sender = Sender(settings, {"queue.buffering.max.messages": 1, "log_level": 0})
    sender.send("any", wire(b"first"))
    ended: list[str] = []

    def send_another() -> None:
        try:
            sender.send("any", wire(b"second"))
        except FatalError as error:
            ended.append(str(error))

    second = threading.Thread(target=send_another, daemon=True)
    second.start()
    second.join(0.3)
    assert second.is_alive()
    assert sender.flush(0) == 1
    sender._producer.purge()  # so that the thread ends with the test
    second.join(10)
    assert "failed for good" in ended[0]


def test_a_message_that_no_broker_takes_is_fatal_and_says_why(
    kafka: KafkaSettings, new_topic: NewTopicOf
) -> None:
    small = new_topic("small", config={"max.message.bytes": "1000"})
    sender = Sender(kafka)
    with pytest.raises(FatalError, match=r"sending to .*small failed for good: .*too large"):
        sender.send(small, wire(bytes(11 * 1024 * 1024)))
    sender.send(small, wire(bytes(5_000)))
    with pytest.raises(FatalError, match=r"sending to .*small failed for good: .*too large"):
        sender.flush(30)
    for _ in range(2):  # and stays so: what comes after it must not be committed either
        with pytest.raises(FatalError, match="failed for good"):
            sender.poll()


def test_a_topic_that_is_not_there_is_fatal_and_says_what_to_do(
    kafka: KafkaSettings, prefix: str
) -> None:
    sender = Sender(kafka, {"topic.metadata.propagation.max.ms": 500})
    sender.send(f"{prefix}none", wire(b"x"))
    with pytest.raises(FatalError, match=r"none is not there .*'onehertz topics create' makes it"):
        sender.flush(30)


# ---------------------------------------------------------------- clients that can't be


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"bootstrap_servers": NO_KAFKA}, "no Kafka answers at 127.0.0.1:1 .*Connection refused"),
        ({"bootstrap_servers": "nowhere.invalid:9092"}, "nowhere.invalid:9092 .*[Ff]ailed to reso"),
        (
            {
                "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "PLAIN",
                "sasl_username": "me",
                "sasl_password": "hunter2",
            },
            "SASL PLAIN mechanism handshake failed",
        ),
    ],
)
def test_a_kafka_that_can_not_be_reached_is_the_users_to_mend(
    kafka: KafkaSettings, settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.kafka.ANSWER_S", 0.5)
    asked = KafkaSettings(**({"bootstrap_servers": kafka.bootstrap_servers} | settings))
    with pytest.raises(UserError, match=said) as told:
        admin_client(asked)
    assert str(told.value).startswith("kafka.bootstrap_servers: no Kafka answers")
    assert "hunter2" not in str(told.value)


def test_a_kafka_that_is_away_at_the_start_can_be_waited_for(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("runtime.kafka.ANSWER_S", 0.2)
    away = KafkaSettings(bootstrap_servers="127.0.0.1:9")
    paused: list[float] = []

    def pause(seconds: float) -> bool:
        paused.append(seconds)
        return len(paused) == 2

    assert not wait_for_kafka(away, pause)
    assert len(paused) == 2
    assert len([one for one in caplog.messages if one.startswith("waiting: ")]) == 1
    assert wait_for_kafka(kafka, lambda _: pytest.fail("it answers"))


def test_a_certificate_that_is_not_there_is_the_users_to_mend(kafka: KafkaSettings) -> None:
    settings = KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        security_protocol="SSL",
        ssl_ca_file="/nowhere/ca.pem",
    )
    for client in (admin_client, Sender, reader):
        with pytest.raises(UserError, match=r"section kafka does not work: .*ssl\.ca\.location"):
            client(settings)
