"""The inference worker: frames-gated in, detections out, in each camera's order.

One loop reads, lets results out and commits. JPEGs are decoded in a small pool and batches run in
a thread of their own, so that reading, decoding, inference and publishing overlap. An offset is
committed when the results of everything before it are acknowledged by the broker.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

import cv2
import msgspec
from confluent_kafka import Message

from inference_worker.batcher import Batcher
from inference_worker.detector import Boxes, Detector
from inference_worker.ordering import CameraOrder, Ticket
from inference_worker.preprocess import Image
from inference_worker.settings import InferSettings
from runtime.context import Context
from runtime.dead_letters import FailureGuard, dead_letter
from runtime.kafka import now_us, place_of, received
from runtime.sender import Sender
from runtime.subscription import Place, Subscription
from runtime.topics import check_topics
from schemas.codec import Wire, decode_gated, encode_frame, salvage
from schemas.errors import DecodeError, InvalidMessage
from schemas.messages import Inferred, Kept, Rejected, ResultRecord
from vision.jpeg import decode_bgr, inspect

log = logging.getLogger("onehertz.infer")

STAGE: Final = "infer"
_TOPICS = ("frames-gated", "detections", "frames-gated-dlq")
_COMMIT_INTERVAL_S = 0.5
_BATCHES_IN_FLIGHT = 2  # one runs while the next one's frames are already decoded
_DECODE_THREADS = 2


class _Frame(NamedTuple):
    """A kept frame on its way through the engine."""

    ticket: Ticket
    message: Message
    record: Kept
    image: Future[Image]
    took_us: int


class _Out(NamedTuple):
    """What a record leaves behind; `record` is None for a dead letter alone."""

    wires: list[tuple[str, Wire]]
    record: ResultRecord | None


def run_infer(context: Context, settings: InferSettings, detector: Detector) -> None:
    """Run the role until `context.stop` is requested. Raises UserError, FatalError."""
    check_topics(context.kafka, context.line, list(_TOPICS))
    cv2.setNumThreads(1)  # frames are decoded side by side: not each on all cores
    worker = _Worker(context, settings, detector)
    try:
        while not context.stop.requested:
            worker.turn()
        worker.drain()
    finally:
        worker.close()


class _Worker:
    """Wires Kafka, the batcher, the detector and the order together; decides nothing."""

    def __init__(self, context: Context, settings: InferSettings, detector: Detector) -> None:
        self._context = context
        self._detector = detector
        self._input = context.line.topic("frames-gated")
        self._output = context.line.topic("detections")
        self._order: CameraOrder[_Out] = CameraOrder()
        self._batcher: Batcher[_Frame] = Batcher(detector.backend.max_batch, settings.max_wait_ms)
        self._max_batch = detector.backend.max_batch
        self._max_in_flight = settings.max_in_flight
        self._guard = FailureGuard()
        self._running: deque[tuple[tuple[_Frame, ...], Future[list[Boxes | InvalidMessage]]]]
        self._running = deque()
        self._decoders = ThreadPoolExecutor(_DECODE_THREADS, "decode")
        self._engine = ThreadPoolExecutor(1, "engine")
        self._sender = Sender(context.kafka)
        self._committed_at_s = 0.0
        self._committed: dict[Place, int] = {}  # of the partitions that are ours
        self._subscription = Subscription(
            context.kafka,
            context.line.group(STAGE),
            [self._input],
            assigned=self._assigned,
            revoked=self._revoked,
            lost=self._forget,
        )
        backend = detector.backend
        context.metrics.set(
            "onehertz_model_info",
            1,
            model=detector.name,
            backend=backend.name,
            device=backend.device,
            precision=backend.precision,
        )

    # ------------------------------------------------------------ the loop

    def turn(self) -> None:
        """Read what there is, start what is full or due, let out what is ready, commit."""
        self._keep_bounded()
        messages = self._subscription.poll(self._max_batch * 2, self._poll_timeout_s())
        for message in messages:
            self._take(message)
        self._start_batches(self._batcher.take)
        finished = self._finish_batches(wait=False)
        self._sender.poll(0)
        self._commit(force=False)
        self._context.health.assigned = self._subscription.is_member
        self._context.health.beat(
            progressed=bool(messages) or finished, waiting_for_work=len(self._order) == 0
        )

    def drain(self) -> None:
        """Finish everything that was read, and commit it."""
        self._subscription.pause()
        while len(self._order):
            self._subscription.poll(1, 0)  # stay in the group
            self._start_batches(lambda _now_ms: self._batcher.flush())
            self._finish_batches(wait=True)
            self._sender.poll(0.01)
        self._commit(force=True)

    def close(self) -> None:
        self._engine.shutdown(cancel_futures=True)
        self._decoders.shutdown(cancel_futures=True)
        self._subscription.close()

    def _keep_bounded(self) -> None:
        """Stop reading while too much is in hand."""
        if len(self._order) >= self._max_in_flight:
            self._subscription.pause()
        elif len(self._order) <= self._max_in_flight // 2:
            self._subscription.resume()

    def _poll_timeout_s(self) -> float:
        if self._running:
            return 0.002  # a batch may end any moment
        due_ms = self._batcher.due_at_ms()
        if due_ms is None:
            return 0.1 if len(self._order) == 0 else 0.005
        return min(0.1, max(0.0, (due_ms - _now_ms()) / 1000))

    # ------------------------------------------------------------ records in

    def _take(self, message: Message) -> None:
        self._context.metrics.count("onehertz_records_taken_total", stage=STAGE)
        place = place_of(message)
        took_us = now_us()
        try:
            record = decode_gated(received(message))
        except DecodeError as error:
            self._take_broken(message, error, took_us)
            return
        ticket = self._order.admit(place.partition, place.offset, record.camera)
        if isinstance(record, Kept):
            image = self._decoders.submit(_decode, record.jpeg)
            self._batcher.add(_Frame(ticket, message, record, image, took_us), _now_ms())
        else:
            result = self._result(record, ticket, took_us)
            self._complete(ticket, self._out(result))

    def _take_broken(self, message: Message, error: DecodeError, took_us: int) -> None:
        """A message that does not decode: to the dead letters, and its tick goes on as rejected."""
        place, raw = place_of(message), received(message)
        rejected = salvage(raw, error)
        camera = (
            str((raw.key or b"")[:64], "utf-8", "replace") if rejected is None else rejected.camera
        )
        ticket = self._order.admit(place.partition, place.offset, camera)
        if rejected is None:
            out = _Out([], None)
        else:
            out = self._out(self._result(rejected, ticket, took_us))
        out.wires.append(self._dead(message, error))
        self._complete(ticket, out)
        self._guard.failed(raw.key, error)

    def _result(self, record: ResultRecord, ticket: Ticket, took_us: int) -> ResultRecord:
        return msgspec.structs.replace(
            record,
            gated_offset=ticket.offset,
            stages=record.stages | {STAGE: (took_us, now_us())},
        )

    # ------------------------------------------------------------ batches

    def _start_batches(self, take: Callable[[float], tuple[_Frame, ...]]) -> None:
        while len(self._running) < _BATCHES_IN_FLIGHT:
            batch = take(_now_ms())
            if not batch:
                return
            fill = len(batch) / self._max_batch
            self._context.metrics.observe("onehertz_batch_fill_ratio", fill, stage=STAGE)
            self._running.append((batch, self._engine.submit(self._infer, batch)))

    def _infer(self, batch: tuple[_Frame, ...]) -> list[Boxes | InvalidMessage]:
        """In the engine's thread: boxes of each frame, or why its picture is none."""
        answers: list[Boxes | InvalidMessage | None] = []
        images = []
        for frame in batch:
            try:
                images.append(frame.image.result())
                answers.append(None)
            except InvalidMessage as error:
                answers.append(error)
        began_s = time.perf_counter()
        found = iter(self._detector.detect(images))
        took_s = time.perf_counter() - began_s
        self._context.metrics.observe("onehertz_inference_seconds", took_s, stage=STAGE)
        self._context.metrics.count("onehertz_busy_seconds_total", took_s, stage=STAGE)
        return [next(found) if answer is None else answer for answer in answers]

    def _finish_batches(self, *, wait: bool) -> bool:
        """Let out the results of batches that are done, in their order."""
        finished = False
        while self._running and (wait or self._running[0][1].done()):
            batch, future = self._running.popleft()
            for frame, answer in zip(batch, future.result(), strict=True):
                self._finish(frame, answer)
            finished = True
        return finished

    def _finish(self, frame: _Frame, answer: Boxes | InvalidMessage) -> None:
        tick = {name: getattr(frame.record, name) for name in _TICK_FIELDS}
        tick["gated_offset"] = frame.ticket.offset
        tick["stages"] = frame.record.stages | {STAGE: (frame.took_us, now_us())}
        if isinstance(answer, InvalidMessage):
            rejected = Rejected(**tick, reason="undecodable", detail=answer.detail[:1000])
            out = self._out(rejected)
            out.wires.append(self._dead(frame.message, answer))
            self._complete(frame.ticket, out)
            self._guard.failed(received(frame.message).key, answer)
            return
        self._guard.succeeded()
        because, score = frame.record.because, frame.record.score
        inferred = Inferred(
            **tick, model=self._detector.name, boxes=answer, because=because, score=score
        )
        self._complete(frame.ticket, self._out(inferred))

    # ------------------------------------------------------------ results out

    def _out(self, record: ResultRecord) -> _Out:
        return _Out([(self._output, encode_frame(record, STAGE))], record)

    def _dead(self, message: Message, error: InvalidMessage) -> tuple[str, Wire]:
        origin = place_of(message)
        self._context.metrics.count("onehertz_dead_letters_total", stage=STAGE, reason=error.reason)
        log.warning("%s[%d]@%d to the dead letters: %s", *origin, error)
        raw = received(message)
        return dead_letter(origin, raw.key, raw.value, raw.headers, STAGE, error)

    def _complete(self, ticket: Ticket, out: _Out) -> None:
        for ready, leaving in self._order.complete(ticket, out):
            self._send(ready, leaving)

    def _send(self, ticket: Ticket, out: _Out) -> None:
        # All messages of one ticket go to one partition's broker queues in order; the last one's
        # acknowledgement counts only when the others have theirs.
        waiting = len(out.wires)

        def acknowledged(_offset: int) -> None:
            nonlocal waiting
            waiting -= 1
            if waiting == 0:
                self._order.acknowledge(ticket)

        for topic, wire in out.wires:
            self._sender.send(topic, wire, partition=ticket.partition, acknowledged=acknowledged)
        if out.record is not None:
            self._measure(out.record)

    def _measure(self, record: ResultRecord) -> None:
        metrics = self._context.metrics
        metrics.count("onehertz_records_given_total", stage=STAGE, status=record.status)
        metrics.observe_tick(record.stages, now_us(), stage=STAGE, before="gate")

    # ------------------------------------------------------------ ownership

    def _commit(self, *, force: bool) -> None:
        now_s = time.monotonic()
        if not force and now_s - self._committed_at_s < _COMMIT_INTERVAL_S:
            return
        self._committed_at_s = now_s
        done = self._done(self._subscription.owned)
        fresh = {place: at for place, at in done.items() if self._committed.get(place) != at}
        if fresh:
            self._context.failpoints.passing("infer.before-commit")
            self._subscription.commit(fresh)
            self._committed |= fresh
        for (_, partition), lag in self._subscription.lag(done).items():
            self._context.metrics.set(
                "onehertz_lag_records", lag, stage=STAGE, partition=str(partition)
            )

    def _done(self, places: frozenset[Place] | list[Place]) -> dict[Place, int]:
        offsets = {place: self._order.commit_offset(place[1]) for place in places}
        return {place: offset for place, offset in offsets.items() if offset is not None}

    def _assigned(self, places: list[Place]) -> None:
        self._context.metrics.count("onehertz_rebalances_total", stage=STAGE)
        log.info("partitions +%s", ", ".join(str(number) for _, number in sorted(places)) or "none")

    def _revoked(self, places: list[Place]) -> None:
        self._sender.flush(5.0)
        self._subscription.commit(self._done(places))
        self._forget(places)

    def _forget(self, places: list[Place]) -> None:
        numbers = {number for _, number in places}
        for number in numbers:
            self._order.revoke(number)
        for place in places:
            self._committed.pop(place, None)
        self._batcher.drop(lambda frame: frame.ticket.partition in numbers)
        log.info("partitions -%s", ", ".join(map(str, sorted(numbers))) or "none")


def _decode(jpeg: bytes) -> Image:
    return decode_bgr(jpeg, inspect(jpeg))


def _now_ms() -> float:
    return time.monotonic() * 1000


_TICK_FIELDS = (
    "camera", "captured_at", "run", "seq", "width", "height", "raw_offset", "traceparent",
)  # fmt: skip
