"""Kafka clients with settings that are safe by default, and what their errors mean."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from pydantic import Field, SecretStr, field_validator, model_validator

from runtime.dead_letters import Origin
from runtime.errors import FatalError, Unreachable, UserError
from runtime.secrets import reveal
from runtime.settings import Section
from schemas import headers as h
from schemas.codec import Received

# How long a Kafka may take for its first answer: longer, and something is wrong.
ANSWER_S = 5.0

# How long a Kafka that did answer may be away; it restarts in 3 to 15 s after a kill.
PATIENCE_S = 60.0

# Between two looks for a Kafka that has not answered yet.
_AGAIN_S = 2.0

log = logging.getLogger("onehertz.kafka")

_SERVER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+):[0-9]{1,5}")
T = TypeVar("T")
Client = TypeVar("Client", Consumer, Producer, AdminClient)


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
        le=300_000,
        description="How long a killed worker's cameras stand still before others take them.",
    )
    transaction_timeout_ms: int = Field(
        10_000,
        ge=1_000,
        le=900_000,
        description="How long a dead process' open transaction blocks readers.",
    )
    send_buffer_bytes: int = Field(
        64 * 1024 * 1024, ge=1024 * 1024, description="Unsent output at most; sending waits beyond."
    )
    receive_buffer_bytes: int = Field(
        32 * 1024 * 1024, ge=1024 * 1024, description="Fetched input at most, per process."
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_servers(cls, value: str) -> str:
        if not all(_SERVER.fullmatch(server) for server in value.split(",")):
            raise ValueError("expected host:port, several of them comma separated without blanks")
        return value

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if self.sasl_password is not None and self.sasl_password_file is not None:
            raise ValueError("give either sasl_password or sasl_password_file, not both")
        password = self.sasl_password or self.sasl_password_file
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and password):
            raise ValueError(
                f"security_protocol {self.security_protocol} needs sasl_username, and "
                "sasl_password or sasl_password_file"
            )
        return self


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """librdkafka's settings for reaching the brokers. Raises UserError."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "logger": logging.getLogger("onehertz.librdkafka"),
        "reconnect.backoff.max.ms": 2_000,
        # By default the client forgets brokers that are away and finds them anew. A request for a
        # group's coordinator then waits for the forgotten one for ever: seen with librdkafka 2.16.0
        # after each of 4 kills and restarts of a single broker, after none of 4 with this.
        "metadata.recovery.strategy": "none",
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


def made(kind: type[Client], config: dict[str, Any]) -> Client:
    """A client. Raises UserError where librdkafka refuses its configuration."""
    try:
        return kind(config)
    except KafkaException as error:
        raise UserError(f"the settings' section kafka does not work: {text_of(error)}") from None


def admin_client(settings: KafkaSettings) -> AdminClient:
    """An admin client of a Kafka that answers.

    Raises Unreachable: none does within ANSWER_S; with what librdkafka says why.
    """
    config = connection(settings)
    del config["allow.auto.create.topics"]
    heard: list[str] = []
    admin = made(AdminClient, config | {"error_cb": lambda error: heard.append(error.str())})
    try:
        admin.list_topics(timeout=ANSWER_S)
    except KafkaException as error:
        admin.poll(0)  # serves error_cb
        reasons = [why for why in heard if "brokers are down" not in why] or [text_of(error)]
        raise Unreachable(
            f"kafka.bootstrap_servers: no Kafka answers at {settings.bootstrap_servers} "
            f"({reasons[-1]}); start it ('onehertz up' starts an embedded one) or correct the "
            "section kafka of the settings"
        ) from None
    return admin


def wait_for_kafka(settings: KafkaSettings, pause: Callable[[float], bool]) -> bool:
    """Return when a Kafka answers. Whether it does: not if `pause`, after so many s, says stop."""
    told = False
    while True:
        try:
            admin_client(settings)
        except Unreachable as error:
            if not told:  # librdkafka goes on telling
                log.warning("waiting: %s", error)
            told = True
        else:
            return True
        if pause(_AGAIN_S):
            return False


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
        "heartbeat.interval.ms": min(1_000, settings.session_timeout_ms // 6),
        "max.poll.interval.ms": 300_000,
        # So soon a topic that was deleted is noticed; by default after 5 min of silence.
        "topic.metadata.refresh.interval.ms": 5_000,
        "topic.metadata.propagation.max.ms": 5_000,
        "fetch.wait.max.ms": 50,
        "queued.max.messages.kbytes": max(1024, settings.receive_buffer_bytes // 1024),
        "fetch.message.max.bytes": 1024 * 1024,
        "enable.partition.eof": False,
    }


def reader(settings: KafkaSettings, isolation: str = "read_committed") -> Consumer:
    """A consumer without a group, for reading chosen offsets: assign, poll, close."""
    return made(
        Consumer,
        connection(settings)
        | {
            "group.id": "onehertz-reader",  # librdkafka wants one; it is never joined
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": isolation,
            "fetch.wait.max.ms": 10,
            "enable.partition.eof": True,
        },
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


MISSING_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)


# A broker restarts, a partition or a group moves to another one: soon it is well again.
TRANSIENT = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._WAIT_COORD,
        KafkaError._MSG_TIMED_OUT,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)


def is_transient(error: KafkaError) -> bool:
    return error.retriable() or error.code() in TRANSIENT


def asked(call: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """What a broker answers, asked again while it can't. Raises KafkaException."""
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            return call()
        except KafkaException as error:
            if not is_transient(error.args[0]) or time.monotonic() > give_up_at:
                raise
            time.sleep(0.1)


def flushed(producer: Producer, timeout_s: float) -> int:
    """Wait for acknowledgements; how many are left. Raises KafkaException for a fatal error.

    confluent-kafka raises a fatal error, such as having been fenced, in whatever call comes across
    it. In `flush` (2.16) it gets lost on its way: "returned NULL without setting an exception".
    """
    try:
        return int(producer.flush(timeout_s))
    except SystemError:
        lost = KafkaError(KafkaError._FATAL, "the client came to a fatal error", fatal=True)
        raise KafkaException(lost) from None


def missing_topic(name: str) -> str:
    return f"{name} is not there (any more): 'onehertz topics create' makes it"


def text_of(error: KafkaException) -> str:
    """What librdkafka or the broker says."""
    reason = error.args[0]
    return str(reason.str()) if isinstance(reason, KafkaError) else str(reason)


def as_fatal(error: KafkaException, doing: str) -> FatalError:
    """A KafkaException as this process' one line."""
    return FatalError(f"{doing}: {text_of(error)}")
