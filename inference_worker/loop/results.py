"""Results on their way out: in each camera's order, until the broker has them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import Message

from inference_worker.loop.objective import Objective
from inference_worker.loop.ordering import CameraOrder, Ticket
from inference_worker.loop.room import Room
from runtime.context import Context
from runtime.dead_letters import FailureGuard, Origin, dead_letter
from runtime.kafka import now_us, place_of, received
from runtime.sender import Sender
from runtime.subscription import Place
from schemas.codec import Wire, encode_frame
from schemas.errors import InvalidMessage
from schemas.messages import Inferred, Rejected, ResultRecord

log = logging.getLogger("onehertz.infer")

STAGE: Final = "infer"


class _Out(NamedTuple):
    """What a record leaves behind; `record` is None for a dead letter alone."""

    wires: list[tuple[str, Wire]]
    record: ResultRecord | None


_NOTHING: Final = _Out([], None)


class Results:
    """Every record that was read gets one place here, and leaves by it. Used by one thread."""

    def __init__(
        self,
        context: Context,
        topic: str,
        room: Room,
        objective: Objective,
        *,
        inferred_only: bool = False,
    ) -> None:
        """`topic`: where results go, with the line's prefix; `room`: what records take up as long
        as they are in hand; `objective`: how soon a frame's result is wanted.
        `inferred_only`: all other records leave nothing behind, dead letters neither.
        """
        self._context = context
        self._topic = topic
        self._room = room
        self._inferred_only = inferred_only
        self.objective = objective
        self._order: CameraOrder[_Out] = CameraOrder()
        self._guard = FailureGuard()
        self._sender = Sender(context.kafka)

    def __len__(self) -> int:
        """Records that were admitted and that the broker has no result of yet."""
        return len(self._order)

    def admit(self, place: Origin, camera: str, size_bytes: int) -> Ticket:
        """A record was read: its result comes after those of its camera's earlier ones."""
        self._room.take(place.partition, size_bytes)
        return self._order.admit(place.partition, place.offset, camera, size_bytes)

    def give(self, ticket: Ticket, record: ResultRecord, took_us: int) -> None:
        """The record's result is there. Whatever it held back leaves with it."""
        record = _stamped(record, ticket, took_us)
        self._complete(ticket, _Out([self._wire(record)], record))

    def pass_over(self, ticket: Ticket) -> None:
        """The record is none of ours: nothing of it leaves."""
        self._complete(ticket, _NOTHING)

    def succeeded(self) -> None:
        """A frame went through the model: the stage is not what is broken."""
        self._guard.succeeded()

    def reject(
        self,
        ticket: Ticket,
        message: Message,
        error: InvalidMessage,
        rejected: Rejected | None,
        took_us: int,
    ) -> None:
        """The message goes to the dead letters, its tick on as `rejected` (None: unknown whose).

        Raises TooManyFailures.
        """
        record = None if rejected is None else _stamped(rejected, ticket, took_us)
        wires = [] if record is None else [self._wire(record)]
        if self._inferred_only:
            log.warning("%s[%d]@%d is passed over: %s", *place_of(message), error)
        else:
            wires.append(self._dead(message, error))
        self._complete(ticket, _Out(wires, record))
        self._guard.failed(message.key(), error)

    def poll(self, timeout_s: float) -> None:
        """Serve acknowledgements. Raises FatalError where a result could not be delivered."""
        self._sender.poll(timeout_s)

    def flush(self, timeout_s: float) -> None:
        """Wait for the acknowledgement of all that has left. Raises as `poll` does."""
        self._sender.flush(timeout_s)

    def done(self, places: Iterable[Place]) -> dict[Place, int]:
        """What may be committed: the broker has the results of everything before."""
        offsets = {place: self._order.commit_offset(place[1]) for place in places}
        return {place: offset for place, offset in offsets.items() if offset is not None}

    def revoke(self, partition: int) -> None:
        """It belongs to another worker now: what is still to come of it is dropped."""
        self._order.revoke(partition)
        self._room.forget(partition)

    def _wire(self, record: ResultRecord) -> tuple[str, Wire]:
        return self._topic, encode_frame(record, STAGE)

    def _dead(self, message: Message, error: InvalidMessage) -> tuple[str, Wire]:
        origin = place_of(message)
        self._context.metrics.count("onehertz_dead_letters_total", stage=STAGE, reason=error.reason)
        log.warning("%s[%d]@%d to the dead letters: %s", *origin, error)
        raw = received(message)
        return dead_letter(origin, raw.key, raw.value, raw.headers, STAGE, error)

    def _complete(self, ticket: Ticket, out: _Out) -> None:
        if self._inferred_only and not isinstance(out.record, Inferred):
            out = _NOTHING
        for ready, leaving in self._order.complete(ticket, out):
            self._send(ready, leaving)

    def _send(self, ticket: Ticket, out: _Out) -> None:
        # All messages of one ticket go to one partition's broker queues in order; the last one's
        # acknowledgement counts only when the others have theirs.
        waiting = len(out.wires)
        if waiting == 0:
            self._through(ticket)

        def acknowledged(_offset: int) -> None:
            nonlocal waiting
            waiting -= 1
            if waiting == 0:
                self._through(ticket)

        for topic, wire in out.wires:
            self._sender.send(topic, wire, partition=ticket.partition, acknowledged=acknowledged)
        if out.record is not None:
            self._measure(out.record)

    def _through(self, ticket: Ticket) -> None:
        if self._order.acknowledge(ticket):
            self._room.give(ticket.partition, ticket.size_bytes)

    def _measure(self, record: ResultRecord) -> None:
        metrics = self._context.metrics
        metrics.count("onehertz_records_given_total", stage=STAGE, status=record.status)
        metrics.observe_tick(record.stages, now_us(), stage=STAGE, before="gate")
        if isinstance(record, Inferred):
            self._judge((now_us() - record.stages[STAGE][0]) / 1000)

    def _judge(self, took_ms: float) -> None:
        if took_ms > self.objective.p95_ms:
            self._context.metrics.count("onehertz_objective_missed_total", stage=STAGE)
        if line := self.objective.came(took_ms, time.monotonic()):
            log.warning("%s", line)


def _stamped(record: ResultRecord, ticket: Ticket, took_us: int) -> ResultRecord:
    return msgspec.structs.replace(
        record,
        gated_offset=ticket.offset,
        stages=record.stages | {STAGE: (took_us, now_us())},
    )
