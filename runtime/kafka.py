"""Kafka clients with settings that are safe by default, and what their errors mean."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from pydantic import Field, SecretStr

from runtime.dead_letters import Origin
from runtime.errors import FatalError, UserError
from runtime.settings import Section, reveal
from schemas import headers as h
from schemas.codec import Received, Wire

log = logging.getLogger("onehertz.kafka")

Acknowledged = Callable[[int], None]  # called with the offset at which the broker keeps the message


class KafkaSettings(Section):
    """How to reach Kafka."""

    bootstrap_servers: str = Field("127.0.0.1:9092", description="host:port, comma separated.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    ssl_ca_file: Path | None = Field(None, description="Certificate authority of the brokers.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How to log in, where the protocol is SASL_…"
    )
    sasl_username: str | None = Field(None, description="User, where the protocol is SASL_…")
    sasl_password: SecretStr | None = Field(None, description="Password (better: the file).")
    sasl_password_file: Path | None = Field(None, description="File that holds the password.")
    session_timeout_ms: int = Field(
        10_000,
        ge=1_000,
        description="How long a killed worker's cameras stand still before others take them.",
    )
    transaction_timeout_ms: int = Field(
        10_000, ge=1_000, description="How long a dead process' open transaction blocks readers."
    )
    send_buffer_bytes: int = Field(
        64 * 1024 * 1024, ge=1024 * 1024, description="Unsent output at most; sending waits beyond."
    )
    receive_buffer_bytes: int = Field(
        32 * 1024 * 1024, ge=1024 * 1024, description="Fetched input at most, per process."
    )


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """librdkafka's settings for reaching the brokers. Raises UserError."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "logger": logging.getLogger("onehertz.librdkafka"),
        "reconnect.backoff.max.ms": 2_000,
        "allow.auto.create.topics": False,
    }
    if settings.ssl_ca_file is not None:
        config["ssl.ca.location"] = str(settings.ssl_ca_file)
    if settings.security_protocol.startswith("SASL"):
        config |= {
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": settings.sasl_username or "",
            "sasl.password": reveal(
                settings.sasl_password, settings.sasl_password_file, "kafka.sasl_password"
            ),
        }
    return config


def admin_client(settings: KafkaSettings) -> AdminClient:
    config = connection(settings)
    del config["allow.auto.create.topics"]
    return AdminClient(config)


def producer_config(settings: KafkaSettings) -> dict[str, Any]:
    """Nothing is dropped and nothing overtakes: acks=all, idempotent, retried without end."""
    return connection(settings) | {
        "acks": "all",
        "enable.idempotence": True,
        "message.timeout.ms": 0,  # no time-out: a slow broker means waiting, not losing
        "linger.ms": 5,
        "message.max.bytes": 10 * 1024 * 1024,
        "queue.buffering.max.kbytes": settings.send_buffer_bytes // 1024,
        "queue.buffering.max.messages": 100_000,
        "partitioner": "murmur2_random",  # the Java clients' rule: any client finds the partition
    }


def transactional_config(settings: KafkaSettings, transactional_id: str) -> dict[str, Any]:
    """As `producer_config`, for transactions. An id that comes back fences its older self."""
    return producer_config(settings) | {
        "transactional.id": transactional_id,
        "transaction.timeout.ms": settings.transaction_timeout_ms,
        "message.timeout.ms": settings.transaction_timeout_ms,  # may not exceed the transaction's
    }


def consumer_config(settings: KafkaSettings, group: str) -> dict[str, Any]:
    """Offsets are committed by hand after the work is done; an expired offset is an error."""
    return connection(settings) | {
        "group.id": group,
        "partition.assignment.strategy": "cooperative-sticky",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "session.timeout.ms": settings.session_timeout_ms,
        "heartbeat.interval.ms": min(1_000, settings.session_timeout_ms // 3),
        "max.poll.interval.ms": 300_000,
        "fetch.wait.max.ms": 50,
        "queued.max.messages.kbytes": max(1024, settings.receive_buffer_bytes // 1024),
        "fetch.message.max.bytes": 1024 * 1024,
        "enable.partition.eof": False,
    }


def reader(settings: KafkaSettings, isolation: str = "read_committed") -> Consumer:
    """A consumer without a group, for reading chosen offsets: assign, poll, close."""
    return Consumer(
        connection(settings)
        | {
            "group.id": "onehertz-reader",  # librdkafka wants one; it is never joined
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": isolation,
            "fetch.wait.max.ms": 10,
            "enable.partition.eof": True,
        }
    )


def received(message: Message) -> Received:
    """A message as the codec wants it."""
    headers = cast("h.RawHeaders | None", message.headers())  # librdkafka gives a list of bytes
    return Received(message.key(), message.value(), headers)


def place_of(message: Message) -> Origin:
    """Where a consumed message lies."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise FatalError("a message without a place: it was never consumed")
    return Origin(topic, partition, offset)


def now_us() -> int:
    """The wall clock, µs since 1970: for latency only."""
    return time.time_ns() // 1000


class Sender:
    """An idempotent producer whose queue is bounded: `send` waits when it is full."""

    def __init__(self, settings: KafkaSettings, overrides: dict[str, Any] | None = None) -> None:
        self._producer = Producer(producer_config(settings) | (overrides or {}))
        self._failure: KafkaError | None = None

    def send(
        self,
        topic: str,
        wire: Wire,
        *,
        partition: int = -1,
        acknowledged: Acknowledged | None = None,
    ) -> None:
        """Queue a message; -1 lets the key choose the partition.

        Blocks while the queue is full. `acknowledged` is called from `poll` or a later `send`.
        Raises FatalError when a message could not be delivered: the caller must not commit.
        """

        def report(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._failure = self._failure or error
            elif acknowledged is not None:
                acknowledged(cast("int", message.offset()))

        while True:
            self._raise_failure(topic)
            try:
                self._producer.produce(
                    topic,
                    key=wire.key,
                    value=wire.value,
                    headers=cast("list[tuple[str, str | bytes | None]]", wire.headers),
                    partition=partition,
                    on_delivery=report,
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise as_fatal(error, f"sending to {topic}") from None
            else:
                self._producer.poll(0)
                return

    def poll(self, timeout_s: float = 0.0) -> None:
        """Serve acknowledgements. Raises FatalError as `send` does."""
        self._producer.poll(timeout_s)
        self._raise_failure("a topic")

    def flush(self, timeout_s: float) -> int:
        """Wait for all acknowledgements; how many messages are still unacknowledged."""
        left: int = self._producer.flush(timeout_s)
        self._raise_failure("a topic")
        return left

    def __len__(self) -> int:
        return len(self._producer)

    def _raise_failure(self, topic: str) -> None:
        if self._failure is not None:
            raise FatalError(f"sending to {topic} failed for good: {self._failure.str()}")


def as_fatal(error: KafkaException, doing: str) -> FatalError:
    """A KafkaException as this process' one line."""
    reason = error.args[0]
    text = reason.str() if isinstance(reason, KafkaError) else str(reason)
    return FatalError(f"{doing}: {text}")


def unreachable(settings: KafkaSettings) -> UserError:
    return UserError(
        f"kafka.bootstrap_servers: no Kafka answers at {settings.bootstrap_servers}; start it "
        "('onehertz up' starts an embedded one) or correct the address"
    )
