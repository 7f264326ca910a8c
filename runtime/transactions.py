"""One Kafka transaction per checkpoint: outputs, snapshots and offsets, all or nothing.

The offsets are stamped with the consumer group's generation. So a process that sleeps through the
loss of its partitions can't write when it wakes: the group's coordinator refuses its offsets, and
the transaction with all its outputs is aborted.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from runtime.errors import FatalError, Fenced
from runtime.kafka import KafkaSettings, as_fatal, transactional_config
from runtime.outbox import Batch, Output


def group_metadata(group: str, generation: int, member: str) -> bytes:
    """confluent-kafka's consumer group metadata, for a group joined by another client.

    Its binary form is undocumented: tests/runtime hold it to what a Consumer itself gives, and
    the version is pinned.
    """
    names = group.encode() + b"\0" + member.encode() + b"\0"
    return b"CGMDv2:" + struct.pack("<i", generation) + names + b"\1"


class Transactions:
    """A transactional producer that commits batches."""

    def __init__(
        self,
        settings: KafkaSettings,
        transactional_id: str,
        input_topic: str,
        before_commit: Callable[[], None] = lambda: None,
    ) -> None:
        """Fences an older process with the same id and ends its open transaction.

        `before_commit` is called between the outputs and their commit (a failpoint for tests).
        Raises FatalError.
        """
        self._timeout_s = settings.transaction_timeout_ms / 1000
        self._input_topic = input_topic
        self._before_commit = before_commit
        self._failed: KafkaError | None = None
        self._producer = Producer(transactional_config(settings, transactional_id))
        try:
            _retry(lambda: self._producer.init_transactions(30.0), 120.0)
        except KafkaException as error:
            raise as_fatal(error, "starting transactions") from None

    def commit(self, batch: Batch, group: bytes) -> None:
        """Publish a batch for the group member that `group` describes.

        Blocks until the broker has it all. Raises Fenced (nothing of the batch can be seen; forget
        it and rejoin) or FatalError (this producer can't go on).
        """
        try:
            self._producer.begin_transaction()
            for output in batch.outputs:
                self._produce(output)
            self._flush()
            self._before_commit()
            self._send_offsets(batch.offsets, group)
            _retry(lambda: self._producer.commit_transaction(self._timeout_s), self._timeout_s)
        except KafkaException as error:
            self._abort(error)

    def _produce(self, output: Output) -> None:
        while True:
            try:
                self._producer.produce(
                    output.topic,
                    key=output.wire.key,
                    value=output.wire.value,
                    headers=cast("list[tuple[str, str | bytes | None]]", output.wire.headers),
                    partition=output.partition,
                    on_delivery=self._report,
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def _report(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._failed = self._failed or error

    def _flush(self) -> None:
        """All outputs lie on the broker before the offsets are sent.

        A new owner looks where the topics end, after its group has got its new generation, and
        waits for that end to be committed. An output that came later could be missed by it.
        """
        left = self._producer.flush(self._timeout_s)
        failed, self._failed = self._failed, None
        if failed is not None:
            raise KafkaException(failed)
        if left:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "outputs not acknowledged"))

    def _send_offsets(self, offsets: dict[int, int], group: bytes) -> None:
        places = [TopicPartition(self._input_topic, p, at) for p, at in offsets.items()]
        _retry(
            lambda: self._producer.send_offsets_to_transaction(places, group, self._timeout_s),
            self._timeout_s,
        )

    def _abort(self, cause: KafkaException) -> None:
        error = cause.args[0]
        if error.fatal():
            raise as_fatal(cause, "a newer process with this slot has taken over") from None
        try:
            _retry(lambda: self._producer.abort_transaction(self._timeout_s), self._timeout_s)
        except KafkaException as failure:
            raise as_fatal(failure, "a transaction could not be aborted") from None
        self._failed = None
        raise Fenced(f"a checkpoint was refused: {error.str()}") from None


def _retry(call: Callable[[], object], deadline_s: float) -> None:
    """Call until it works, while Kafka says that it may on another try."""
    give_up_at = time.monotonic() + deadline_s
    while True:
        try:
            call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)
        else:
            return


__all__ = ["FatalError", "Fenced", "Transactions", "group_metadata"]
