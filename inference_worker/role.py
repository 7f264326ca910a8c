"""The inference worker: frames-gated in, detections out, in each camera's order.

One loop reads, starts batches, lets results out and commits; around it, `engine.py` has threads of
its own. An offset is committed when the results of everything before it are acknowledged by the
broker.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import cv2

from inference_worker.batcher import Batcher
from inference_worker.detector import Detector
from inference_worker.engine import Engine, Frame
from inference_worker.intake import Intake
from inference_worker.results import STAGE, Results
from inference_worker.settings import InferSettings
from runtime.context import Context
from runtime.subscription import Place, Subscription
from runtime.topics import check_topics

log = logging.getLogger("onehertz.infer")

_TOPICS = ("frames-gated", "detections", "frames-gated-dlq")
_COMMIT_INTERVAL_S = 0.5
_IDLE_S = 0.1
_BUSY_S: Final = 0.01  # between two looks at Kafka while the engine works


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
    """Wires Kafka, the batcher, the engine and the order together; decides nothing."""

    def __init__(self, context: Context, settings: InferSettings, detector: Detector) -> None:
        self._context = context
        self._engine = Engine(detector, context.metrics)
        self._results = Results(context, context.line.topic("detections"))
        self._max_batch = detector.backend.max_batch
        self._batcher: Batcher[Frame] = Batcher(self._max_batch, settings.max_wait_ms)
        self._intake = Intake(
            context, self._results, lambda frame: self._batcher.add(frame, _now_ms())
        )
        self._max_in_flight = settings.max_in_flight
        self._committed_at_s = 0.0
        self._committed: dict[Place, int] = {}  # of the partitions that are ours
        self._subscription = Subscription(
            context.kafka,
            context.line.group(STAGE),
            [context.line.topic("frames-gated")],
            assigned=self._assigned,
            revoked=self._revoked,
            lost=self._forget,
        )
        self._name_model(detector)

    # ------------------------------------------------------------ the loop

    def turn(self) -> None:
        """Read what there is, start what is full or due, let out what is ready, commit."""
        self._keep_bounded()
        finished = self._finish(_BUSY_S if self._engine.running else 0.0)
        messages = self._subscription.poll(self._max_batch * 2, self._poll_timeout_s())
        for message in messages:
            self._intake.take(message)
        self._start(self._batcher.take)
        self._results.poll(0)
        self._commit(force=False)
        self._context.health.assigned = self._subscription.is_member
        self._context.health.beat(
            progressed=bool(messages) or finished, waiting_for_work=len(self._results) == 0
        )

    def drain(self) -> None:
        """Finish everything that was read, and commit it."""
        self._subscription.pause()
        while len(self._results):
            self._subscription.poll(1, 0)  # stay in the group
            self._start(lambda _now_ms: self._batcher.flush())
            self._finish(None if self._engine.running else 0.0)
            self._results.poll(0.01)
        self._commit(force=True)

    def close(self) -> None:
        self._engine.close()
        self._subscription.close()

    def _keep_bounded(self) -> None:
        """Stop reading while too much is in hand."""
        if len(self._results) >= self._max_in_flight:
            self._subscription.pause()
        elif len(self._results) <= self._max_in_flight // 2:
            self._subscription.resume()

    def _poll_timeout_s(self) -> float:
        if self._engine.running:
            return 0.0  # it was waited for already
        due_ms = self._batcher.due_at_ms()
        if due_ms is None:
            return _IDLE_S if len(self._results) == 0 else 0.005
        return min(_IDLE_S, max(0.0, (due_ms - _now_ms()) / 1000))

    def _start(self, take: Callable[[float], tuple[Frame, ...]]) -> None:
        while not self._engine.is_full and (batch := take(_now_ms())):
            fill = len(batch) / self._max_batch
            self._context.metrics.observe("onehertz_batch_fill_ratio", fill, stage=STAGE)
            self._engine.start(batch)

    def _finish(self, wait_s: float | None) -> bool:
        """Let out the results of batches that are done."""
        finished = self._engine.finished(wait_s)
        for batch in finished:
            for answered in batch.answered:
                self._intake.answer(answered)
        return bool(finished)

    def _name_model(self, detector: Detector) -> None:
        backend = detector.backend
        self._context.metrics.set(
            "onehertz_model_info",
            1,
            model=detector.name,
            backend=backend.name,
            device=backend.device,
            precision=backend.precision,
        )

    # ------------------------------------------------------------ ownership

    def _commit(self, *, force: bool) -> None:
        now_s = time.monotonic()
        if not force and now_s - self._committed_at_s < _COMMIT_INTERVAL_S:
            return
        self._committed_at_s = now_s
        done = self._results.done(self._subscription.owned)
        fresh = {place: at for place, at in done.items() if self._committed.get(place) != at}
        if fresh:
            self._context.failpoints.passing("infer.before-commit")
            self._subscription.commit(fresh)
            self._committed |= fresh
        for (_, partition), lag in self._subscription.lag(done).items():
            self._context.metrics.set(
                "onehertz_lag_records", lag, stage=STAGE, partition=str(partition)
            )

    def _assigned(self, places: list[Place]) -> None:
        self._context.metrics.count("onehertz_rebalances_total", stage=STAGE)
        log.info("partitions +%s", ", ".join(str(number) for _, number in sorted(places)) or "none")

    def _revoked(self, places: list[Place]) -> None:
        self._results.flush(5.0)
        self._subscription.commit(self._results.done(places))
        self._forget(places)

    def _forget(self, places: list[Place]) -> None:
        numbers = {number for _, number in places}
        for number in numbers:
            self._results.revoke(number)
        for place in places:
            self._committed.pop(place, None)
        self._batcher.drop(lambda frame: frame.ticket.partition in numbers)
        log.info("partitions -%s", ", ".join(map(str, sorted(numbers))) or "none")


def _now_ms() -> float:
    return time.monotonic() * 1000
