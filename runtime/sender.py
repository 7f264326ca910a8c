"""Sending without losing: an idempotent producer that waits instead of dropping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from runtime.errors import FatalError
from runtime.kafka import (
    MISSING_TOPIC,
    KafkaSettings,
    as_fatal,
    flushed,
    made,
    missing_topic,
    producer_config,
)
from schemas.codec import Wire

Acknowledged = Callable[[int], None]  # called with the offset at which the broker keeps the message


class Sender:
    """An idempotent producer whose queue is bounded: `send` waits when it is full."""

    def __init__(self, settings: KafkaSettings, overrides: dict[str, Any] | None = None) -> None:
        self._producer = made(Producer, producer_config(settings) | (overrides or {}))
        self._failure: FatalError | None = None

    def send(
        self,
        topic: str,
        wire: Wire,
        *,
        partition: int = -1,
        acknowledged: Acknowledged | None = None,
    ) -> None:
        """Queue a message; -1 lets the key choose the partition.

        Blocks while the queue is full, as long as it takes: the lifecycle's deadline ends it.
        `acknowledged` is called from `poll` or a later `send`. Raises FatalError when a message
        could not be delivered: the caller must not commit.
        """

        def report(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._failure = self._failure or FatalError(_not_sent(topic, error))
            elif acknowledged is not None:
                acknowledged(cast("int", message.offset()))

        while True:
            self._raise_failure()
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
                self._serve(0.1)
            except KafkaException as error:
                raise FatalError(_not_sent(topic, error.args[0])) from None
            else:
                self._serve(0)
                return

    def poll(self, timeout_s: float = 0.0) -> None:
        """Serve acknowledgements. Raises FatalError as `send` does."""
        self._serve(timeout_s)
        self._raise_failure()

    def flush(self, timeout_s: float) -> int:
        """Wait for all acknowledgements; how many messages are still unacknowledged."""
        try:
            left = flushed(self._producer, timeout_s)
        except KafkaException as error:
            raise as_fatal(error, "sending") from None
        self._raise_failure()
        return left

    def _serve(self, timeout_s: float) -> None:
        try:
            self._producer.poll(timeout_s)
        except KafkaException as error:  # a fatal one: this producer sends no more
            raise as_fatal(error, "sending") from None

    def __len__(self) -> int:
        return len(self._producer)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _not_sent(topic: str, error: KafkaError) -> str:
    advice = missing_topic(topic) if error.code() in MISSING_TOPIC else error.str()
    return f"sending to {topic} failed for good: {advice}"
