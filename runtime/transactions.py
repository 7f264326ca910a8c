"""One Kafka transaction per checkpoint: outputs, snapshots and offsets, all or nothing.

The offsets are stamped with the consumer group's generation. So a process that sleeps through the
loss of its partitions can't write when it wakes: the group's coordinator refuses its offsets, and
the transaction with all its outputs is aborted.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from runtime.errors import FatalError, Fenced
from runtime.kafka import (
    MISSING_TOPIC,
    KafkaSettings,
    as_fatal,
    flushed,
    made,
    missing_topic,
    transactional_config,
)
from runtime.outbox import Batch, Output

log = logging.getLogger("onehertz.transactions")

# How long a broker may be away before a process gives up what it has open; a restart after a kill
# takes 3 to 15 s.
_PATIENCE_S = 120.0
_SLICE_S = 2.0
# Of the one form of group metadata that confluent-kafka knows.
_MAGIC = b"CGMDv2:"


def group_metadata(group: str, generation: int, member: str) -> bytes:
    """confluent-kafka's consumer group metadata, for a group joined by another client.

    Its binary form is undocumented: tests/runtime hold it to what a Consumer itself gives, and
    the version is pinned.
    """
    names = group.encode() + b"\0" + member.encode() + b"\0"
    return _MAGIC + struct.pack("<i", generation) + names + b"\1"


def generation_of(metadata: bytes) -> int:
    """The generation in a consumer group metadata; -1: not a member, or not any more."""
    (generation,) = struct.unpack_from("<i", metadata, len(_MAGIC))
    return int(generation)


class Transactions:
    """A transactional producer that commits batches."""

    def __init__(
        self,
        settings: KafkaSettings,
        transactional_id: str,
        input_topic: str,
        before_commit: Callable[[], None] = lambda: None,
        waiting: Callable[[], None] = lambda: None,
        feedback_topic: str | None = None,
    ) -> None:
        """Fences an older process with the same id and ends its open transaction.

        `before_commit` is called between the outputs and their commit (a failpoint for tests).
        `waiting` is called every few seconds while a broker is away: a sign of life.
        Raises UserError, FatalError.
        """
        self._timeout_s = settings.transaction_timeout_ms / 1000
        self._input_topic = input_topic
        self._feedback_topic = feedback_topic or ""
        self._before_commit = before_commit
        self._waiting = waiting
        self._failed: tuple[str, KafkaError] | None = None
        self._config = transactional_config(settings, transactional_id)
        self._broker_was_away = False
        self._producer = self._started()

    def _started(self) -> Producer:
        producer = made(Producer, self._config)
        try:
            self._patiently(lambda: producer.init_transactions(_SLICE_S))
        except KafkaException as error:
            raise as_fatal(error, "starting transactions") from None
        return producer

    def commit(self, batch: Batch, group: bytes) -> None:
        """Publish a batch for the group member that `group` describes.

        Blocks until the broker has it all or none of it. Raises Fenced (it was refused: drop all
        state, rejoin, and go on from what is on the broker) or FatalError (this process can't go
        on; all or nothing of the batch can be seen).
        """
        self._failed = None
        self._broker_was_away = False
        began_s = time.monotonic()
        try:
            self._producer.begin_transaction()
            for output in batch.outputs:
                self._produce(output)
            self._flush()
            self._before_commit()
            self._send_offsets(batch, group)
            # Its outcome is unknown until it is told: so it is asked for, not given up.
            self._patiently(lambda: self._producer.commit_transaction(_SLICE_S))
        except KafkaException as error:
            self._abort(error.args[0], time.monotonic() - began_s)

    def _produce(self, output: Output) -> None:
        def report(error: KafkaError | None, _message: Any) -> None:
            if error is not None:
                self._failed = self._failed or (output.topic, error)

        while True:
            try:
                self._producer.produce(
                    output.topic,
                    key=output.wire.key,
                    value=output.wire.value,
                    headers=cast("list[tuple[str, str | bytes | None]]", output.wire.headers),
                    partition=output.partition,
                    on_delivery=report,
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                self._failed = self._failed or (output.topic, error.args[0])
                raise
            else:
                self._producer.poll(0)
                return

    def _flush(self) -> None:
        """All outputs lie on the broker before the offsets are sent.

        A new owner looks where the topics end, after its group has got its new generation, and
        waits for that end to be committed. An output that came later could be missed by it.
        """
        give_up_at = time.monotonic() + self._timeout_s + _SLICE_S  # outputs time out themselves
        while flushed(self._producer, _SLICE_S):
            if time.monotonic() > give_up_at:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "outputs not acknowledged"))
            self._broker_was_away = True
            self._waiting()
        if self._failed is not None:
            raise KafkaException(self._failed[1])

    def _send_offsets(self, batch: Batch, group: bytes) -> None:
        places = [TopicPartition(self._input_topic, p, at) for p, at in batch.offsets.items()]
        places += [TopicPartition(self._feedback_topic, p, at) for p, at in batch.feedback.items()]
        self._patiently(
            lambda: self._producer.send_offsets_to_transaction(places, group, _SLICE_S),
            self._timeout_s,
        )

    def _abort(self, cause: KafkaError, took_s: float) -> None:
        """Make the batch never have been. Raises what `commit` promises."""
        if not cause.fatal():
            log.info("a transaction is aborted: %s", cause.str())
            try:
                self._patiently(lambda: self._producer.abort_transaction(_SLICE_S))
            except KafkaException as error:
                cause = error.args[0]
                if not cause.fatal():
                    raise as_fatal(error, "a transaction could not be aborted") from None
        if cause.fatal() and self._broker_was_away and took_s > self._timeout_s:
            # This process was awake and the broker was not: it is the broker that ended the
            # transaction, and no newer process that must not be disturbed.
            log.warning("transactions begin anew after an outage: %s", cause.str())
            self._producer = self._started()
            raise Fenced(f"a checkpoint took longer than an outage allows: {cause.str()}") from None
        if cause.fatal():
            raise FatalError(
                f"transactions were ended from outside ({cause.str()}): this process was away for "
                "longer than kafka.transaction_timeout_ms, or a newer one has the same --slot"
            ) from None
        if cause.code() in _PERMANENT and self._failed is not None:
            topic = self._failed[0]
            why = missing_topic(topic) if cause.code() in MISSING_TOPIC else cause.str()
            raise FatalError(f"sending to {topic} failed for good: {why}") from None
        raise Fenced(f"a checkpoint was refused: {cause.str()}") from None

    def _patiently(self, call: Callable[[], object], patience_s: float = _PATIENCE_S) -> None:
        """Call until it works, while Kafka says that it may on another try."""
        give_up_at = time.monotonic() + patience_s
        while True:
            try:
                call()
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > give_up_at:
                    raise
                self._broker_was_away = True
                self._waiting()
                time.sleep(0.05)
            else:
                return


# No rejoining helps against these.
_PERMANENT = MISSING_TOPIC | {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.POLICY_VIOLATION,
    KafkaError._INVALID_ARG,
}


__all__ = ["FatalError", "Fenced", "Transactions", "group_metadata"]
