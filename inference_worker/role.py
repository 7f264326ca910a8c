"""The inference worker: frames-gated in, detections out, in each camera's order.

One loop reads, starts batches, lets results out and commits; around it, `engine.py` has threads of
its own. An offset is committed when the results of everything before it are acknowledged by the
broker.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import cv2

from inference_worker.batching.batcher import Batcher
from inference_worker.batching.controller import BatchController
from inference_worker.detector import Detector
from inference_worker.loop.challenger import Challenge
from inference_worker.loop.commits import Commits
from inference_worker.loop.engine import Engine, Frame
from inference_worker.loop.intake import Intake
from inference_worker.loop.objective import Objective
from inference_worker.loop.reading import Reading
from inference_worker.loop.results import STAGE, Results
from inference_worker.loop.room import Room
from inference_worker.loop.serving import Serving
from inference_worker.loop.swap import ModelSwap
from inference_worker.settings import InferSettings
from inference_worker.tile_grid import Grid
from runtime.context import Context
from runtime.subscription import Place, Subscription
from runtime.topics import check_topics

log = logging.getLogger("onehertz.infer")

_TOPICS = ("frames-gated", "detections", "frames-gated-dlq")
_IDLE_S: Final = 0.1
# Between two looks at Kafka while the engine works. A turn of the loop costs 0.1 ms of CPU.
_BUSY_S: Final = 0.02


def run_infer(
    context: Context,
    settings: InferSettings,
    detector: Detector,
    swap: ModelSwap | None = None,
    challenge: Challenge | None = None,
    grids: Mapping[str, Grid] = MappingProxyType({}),
) -> None:
    """Run the role until `context.stop` is requested, as a challenger if that is given.

    `swap`: says when another model is to serve. `grids`: of cameras that are looked at in tiles
    too. Raises UserError, FatalError.
    """
    topics = _TOPICS if challenge is None else ("frames-gated", challenge.topic)
    check_topics(context.kafka, context.line, list(topics))
    cv2.setNumThreads(1)  # frames are decoded side by side: not each on all cores
    worker = _Worker(context, settings, Engine(detector, context.metrics, grids), swap, challenge)
    try:
        while not context.stop.requested:
            worker.turn()
        worker.drain()
    finally:
        worker.close()


class _Worker:
    """Wires Kafka, the batcher, the engine and the order together; decides nothing."""

    def __init__(
        self,
        context: Context,
        settings: InferSettings,
        engine: Engine,
        swap: ModelSwap | None,
        challenge: Challenge | None,
    ) -> None:
        self._context = context
        topic = context.line.topic("frames-gated")
        self._room = Room(settings.max_in_flight, settings.max_in_flight_mb * 1e6)
        self._results = Results(
            context,
            context.line.topic(challenge.topic if challenge else "detections"),
            self._room,
            Objective(settings.p95_ms),
            inferred_only=challenge is not None,
        )
        self._intake = Intake(context, self._results, self._wait, settings.max_age_s, challenge)
        self._engine = engine
        self._batcher: Batcher[Frame] = Batcher(_controller(settings, engine.detector))
        self._subscription = Subscription(
            context.kafka,
            context.line.group(challenge.role if challenge else STAGE),
            [topic],
            assigned=self._assigned,
            revoked=self._revoked,
            lost=self._forget,
        )
        self._commits = Commits(context, self._subscription, self._results)
        self._reading = Reading(self._subscription, topic, self._room)
        self._serving = Serving(context.metrics, engine.detector, swap)

    # ------------------------------------------------------------ the loop

    def turn(self) -> None:
        """Let out what is ready, read what there is, start what is full or due, commit."""
        finished = self._finish(_BUSY_S if self._engine.running else 0.0)
        messages = self._reading.read(self._poll_timeout_s())
        for message in messages:
            self._intake.take(message)
        self._follow()
        self._start(self._batcher.take)
        # With all room taken and nothing to infer, only acknowledgements make room again.
        stuck = self._room.left == 0 and not self._engine.running
        self._results.poll(0.005 if stuck else 0.0)
        self._commits.commit(force=False)
        self._context.health.assigned = self._subscription.is_member
        self._context.health.beat(
            progressed=bool(messages) or finished, waiting_for_work=len(self._results) == 0
        )

    def drain(self) -> None:
        """Finish everything that was read, and commit it."""
        self._subscription.pause()
        while len(self._results):
            self._subscription.poll(1, 0)  # stay in the group
            self._start(self._batcher.flush)
            self._finish(None if self._engine.running else 0.0)
            self._results.poll(0.01)
        self._commits.commit(force=True)

    def close(self) -> None:
        self._engine.close()
        self._subscription.close()

    def _poll_timeout_s(self) -> float:
        if self._engine.running:
            return 0.0  # it was waited for already
        due_ms = self._batcher.due_at_ms(_now_ms())
        if due_ms is None:
            return _IDLE_S if len(self._results) == 0 else 0.005
        return min(_IDLE_S, max(0.0, (due_ms - _now_ms()) / 1000))

    def _wait(self, frame: Frame) -> None:
        self._batcher.add(frame.ticket.camera, frame, _now_ms(), self._engine.inferences(frame))

    def _start(self, take: Callable[[float], tuple[Frame, ...]]) -> None:
        while not self._engine.is_full and (batch := take(_now_ms())):
            fresh = tuple(frame for frame in batch if not self._intake.is_stale(frame))
            self._engine.start(fresh)
            metrics, controller = self._context.metrics, self._batcher.controller
            size = controller.size(self._batcher.inferences)
            metrics.set("onehertz_batch_size", size, stage=STAGE)
            fill = sum(map(self._engine.inferences, fresh)) / controller.max_batch
            metrics.observe("onehertz_batch_fill_ratio", fill, stage=STAGE)

    def _finish(self, wait_s: float | None) -> bool:
        """Let out the results of batches that are done."""
        finished = self._engine.finished(wait_s)
        for batch in finished:
            # Of a model before this one there is nothing to be learnt.
            size = batch.inferences if batch.detector is self._engine.detector else 0
            self._batcher.through(size, batch.engine_ms, batch.ready_ms, _now_ms())
            self._serving.ran(batch.detector, batch.inferences, batch.engine_ms)
            for answered in batch.answered:
                self._intake.answer(answered)
        return bool(finished)

    def _follow(self) -> None:
        """Another model serves from the next batch on, if one has passed its test."""
        loaded = self._serving.look()
        if loaded is None:
            return
        self._engine.use(loaded.detector)
        settings = loaded.settings
        controller = _controller(settings, loaded.detector)
        controller.replace(self._batcher.controller)
        self._batcher.controller = controller
        self._intake.max_age_s = settings.max_age_s
        self._results.objective = Objective(settings.p95_ms)
        self._room.limit(settings.max_in_flight, settings.max_in_flight_mb * 1e6)

    # ------------------------------------------------------------ ownership

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
        self._commits.forget(places)
        self._batcher.drop(lambda frame: frame.ticket.partition in numbers)
        log.info("partitions -%s", ", ".join(map(str, sorted(numbers))) or "none")


def _controller(settings: InferSettings, detector: Detector) -> BatchController:
    return BatchController(
        detector.backend.max_batch,
        settings.max_wait_ms,
        settings.p95_ms,
        _now_ms(),
        detector.batch_ms,
        detector.backend.lanes,
    )


def _now_ms() -> float:
    return time.monotonic() * 1000
