"""The SQL sink: detections and alerts in, rows out, offsets committed after the database has them.

While the database is away the role waits: it reads nothing, stays in its group, and tries again.
A record that the database can't take goes to the dead letters; the others around it are written.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import psycopg
from confluent_kafka import Message

from runtime.context import Context
from runtime.dead_letters import FailureGuard, dead_letter
from runtime.errors import FatalError
from runtime.kafka import now_us, place_of, received
from runtime.sender import Sender
from runtime.subscription import Place, Subscription
from runtime.topics import check_topics
from schemas.catalogue import DLQ_SUFFIX, challenger_topic
from schemas.codec import Received, decode_alert, decode_result
from schemas.codec import salvage as rejected_tick
from schemas.errors import DecodeError, InvalidMessage
from sinks.sql.connection import connect, retriable
from sinks.sql.migrate import require_migrated
from sinks.sql.poison import salvage
from sinks.sql.settings import SqlSettings
from sinks.sql.writer import AlertDelivery, Delivery, WriteOutcome, Writer

log = logging.getLogger("onehertz.sql")

STAGE: Final = "sql"
_FLUSH_S = 30.0
D = TypeVar("D", Delivery, AlertDelivery)


def run_sql(context: Context, settings: SqlSettings) -> None:
    """Run the role until `context.stop` is requested. Raises UserError, FatalError.

    A database that is not there when the role starts is the user's to mend; one that goes away
    later is waited for.
    """
    names = ["detections", "alerts", *map(challenger_topic, context.line.challengers)]
    names += [name + DLQ_SUFFIX for name in names]
    check_topics(context.kafka, context.line, names)
    sink = _Sink(context, settings)
    try:
        while not context.stop.requested:
            sink.turn()
        sink.write_all()
    finally:
        sink.close()


class _Sink:
    """Wires Kafka and the writer together; decides nothing."""

    def __init__(self, context: Context, settings: SqlSettings) -> None:
        self._context = context
        self._settings = settings
        self._detections = context.line.topic("detections")
        self._alerts = context.line.topic("alerts")
        self._challengers = {
            context.line.topic(challenger_topic(name)): name for name in context.line.challengers
        }
        self._guard = FailureGuard()
        self._messages: list[Message] = []
        self._due_at_s: float | None = None
        self._connection: psycopg.Connection | None = None
        self._writer: Writer | None = self._connected()
        self._sender = Sender(context.kafka)
        self._subscription = Subscription(
            context.kafka,
            context.line.group(STAGE),
            [self._detections, self._alerts, *self._challengers],
            assigned=self._assigned,
            revoked=self._forget,
        )

    def turn(self) -> None:
        """Read; write when the batch is full or has waited long enough."""
        room = self._settings.batch_rows - len(self._messages)
        fresh = self._subscription.poll(room, self._poll_timeout_s())
        if fresh and self._due_at_s is None:
            self._due_at_s = time.monotonic() + self._settings.batch_wait_ms / 1000
        self._messages += fresh
        full = len(self._messages) >= self._settings.batch_rows
        if self._messages and (full or self._is_due()):
            self.write_all()
        self._context.health.assigned = self._subscription.is_member
        self._context.health.beat(progressed=bool(fresh), waiting_for_work=not self._messages)

    def write_all(self) -> None:
        """Write what was read, waiting for the database if need be, and commit its offsets."""
        if not self._messages:
            return
        began_s = time.monotonic()
        while not self._write():
            if self._wait_for_database():
                return  # stopping: the next start reads these records again
        self._context.failpoints.passing("sql.before-commit")
        done: dict[Place, int] = {}
        for message in self._messages:
            place = place_of(message)
            done[(place.topic, place.partition)] = place.offset + 1
        self._messages, self._due_at_s = [], None
        self._subscription.commit(done)
        took_s = time.monotonic() - began_s
        self._context.metrics.observe("onehertz_commit_seconds", took_s, stage=STAGE)
        self._context.metrics.count("onehertz_busy_seconds_total", took_s, stage=STAGE)
        for (topic, partition), lag in self._subscription.lag(done).items():
            if topic == self._detections:
                self._context.metrics.set(
                    "onehertz_lag_records", lag, stage=STAGE, partition=str(partition)
                )

    def close(self) -> None:
        self._subscription.close()
        self._sender.flush(_FLUSH_S)
        if self._connection is not None:
            self._connection.close()

    def _poll_timeout_s(self) -> float:
        if self._due_at_s is None:
            return 0.2
        return min(0.2, max(0.0, self._due_at_s - time.monotonic()))

    def _is_due(self) -> bool:
        return self._due_at_s is not None and time.monotonic() >= self._due_at_s

    # ------------------------------------------------------------ rows

    def _write(self) -> bool:
        """Whether everything that was read is in the database, or among the dead letters."""
        try:
            if self._writer is None:
                self._writer = self._connected()
            writer = self._writer
            self._write_topic(
                self._detections, decode_result, rejected_tick, Delivery, writer.write
            )
            self._write_topic(
                self._alerts, decode_alert, _no_tick, AlertDelivery, writer.write_alerts
            )
            for topic, name in self._challengers.items():
                write = functools.partial(writer.write_challenger, name)
                self._write_topic(topic, decode_result, _no_tick, Delivery, write)
        except Exception as error:
            if not retriable(error):
                raise _fatal(error) from error
            log.warning("the database is away, waiting: %s", " ".join(str(error).split()))
            self._disconnect()
            return False
        if self._sender.flush(_FLUSH_S):
            raise FatalError("dead letters were not acknowledged: nothing is committed past them")
        return True

    def _write_topic(
        self,
        topic: str,
        decode: Callable[[Any], Any],
        rescue: Callable[[Any, DecodeError], Any],
        delivery: Callable[[Any, int, int], D],
        write: Callable[[Sequence[D]], WriteOutcome],
    ) -> None:
        batch: list[D] = []
        origins: dict[tuple[int, int], Message] = {}
        for message in self._messages:
            if message.topic() != topic:
                continue
            place = place_of(message)
            try:
                record = decode(received(message))
                self._guard.succeeded()
            except DecodeError as error:
                self._bury(message, error)
                # Whose tick it is may be certain all the same: then it has its row, as rejected.
                record = rescue(received(message), error)
                if record is None:
                    continue
            batch.append(delivery(record, place.partition, place.offset))
            origins[(place.partition, place.offset)] = message
        written = salvage(write, batch)
        for lost, why in written.poison:
            self._bury(origins[(lost.partition, lost.offset)], why)
        if topic not in self._challengers:
            self._measure(batch, written.outcome)

    def _bury(self, message: Message, error: InvalidMessage) -> None:
        origin = place_of(message)
        raw = received(message)
        topic, wire = dead_letter(origin, raw.key, raw.value, raw.headers, STAGE, error)
        self._sender.send(topic, wire, partition=origin.partition)
        self._context.metrics.count("onehertz_dead_letters_total", stage=STAGE, reason=error.reason)
        log.warning("%s[%d]@%d to the dead letters: %s", *origin, error)
        self._guard.failed(raw.key, error)

    def _measure(self, written: Sequence[Delivery | AlertDelivery], outcome: WriteOutcome) -> None:
        metrics = self._context.metrics
        metrics.count("onehertz_records_taken_total", len(written), stage=STAGE)
        metrics.count("onehertz_repeats_total", outcome.repeated, stage=STAGE)
        now = now_us()
        for one in written:
            if isinstance(one, AlertDelivery):
                continue
            record = one.record
            metrics.count("onehertz_records_given_total", stage=STAGE, status=record.status)
            metrics.observe_tick(record.stages, now, stage=STAGE, before="infer", is_last=True)

    # ------------------------------------------------------------ the database

    def _connected(self) -> Writer:
        settings = self._settings
        self._connection = connect(
            settings.conninfo(),
            connect_timeout_s=settings.connect_timeout_s,
            statement_timeout_ms=settings.statement_timeout_ms,
        )
        require_migrated(self._connection)
        return Writer(self._connection)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._writer = None

    def _wait_for_database(self) -> bool:
        """Wait before the next try, still a member of the group. Whether to stop instead."""
        self._subscription.pause()
        until_s = time.monotonic() + self._settings.retry_wait_ms / 1000
        while time.monotonic() < until_s and not self._context.stop.requested:
            self._messages += self._subscription.poll(1, 0.1)
            self._context.health.beat(progressed=False, waiting_for_work=False)
        waited_s = self._settings.retry_wait_ms / 1000
        self._context.metrics.count("onehertz_blocked_seconds_total", waited_s, stage=STAGE)
        self._subscription.resume()
        return self._context.stop.requested

    # ------------------------------------------------------------ ownership

    def _assigned(self, places: list[Place]) -> None:
        self._context.metrics.count("onehertz_rebalances_total", stage=STAGE)
        log.info("partitions +%d", len(places))

    def _forget(self, places: list[Place]) -> None:
        """Rows that are not written yet are the next owner's to write."""
        lost = set(places)
        self._messages = [m for m in self._messages if (m.topic(), m.partition()) not in lost]


def _no_tick(_message: Received, _error: DecodeError) -> None:
    """An alert that can't be read, or a challenger's frame, leaves nothing but its dead letter."""


def _fatal(error: Exception) -> Exception:
    if isinstance(error, psycopg.Error):
        text = " ".join(str(error).split())
        return FatalError(f"the database refused a batch: {text}")
    return error
