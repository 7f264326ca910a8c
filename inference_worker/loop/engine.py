"""Batches on their way through the model.

Three things go on at the same time: pictures are decoded side by side and put together for the next
batch, the engine runs a batch in each of its lanes, boxes are made of those before. A picture is
decoded when its batch closes, so that there are never more decoded ones than these batches hold.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from confluent_kafka import Message

from inference_worker.backends.base import EngineBroken, Outputs
from inference_worker.choosing.cores import cores
from inference_worker.detector import Boxes, Detector
from inference_worker.loop.lanes import Lanes
from inference_worker.loop.ordering import Ticket
from inference_worker.loop.pictures import Ready, decode, make_ready, say_one_by_one
from inference_worker.loop.poison import one_by_one
from inference_worker.loop.results import STAGE
from inference_worker.tile_grid import Grid
from inference_worker.tiles import merge_all
from runtime.metrics import Metrics
from schemas.errors import InvalidMessage
from schemas.messages import Kept

log = logging.getLogger("onehertz.infer")

AROUND: Final = "around"  # what `top -H` calls the threads that do not run the engine
_MAX_DECODERS = 4

Answer = Boxes | InvalidMessage


class Frame(NamedTuple):
    """A kept frame on its way through the engine."""

    ticket: Ticket
    message: Message
    record: Kept
    took_us: int


class Answered(NamedTuple):
    """A frame with its boxes, or why there can be none; `model` looked at it."""

    frame: Frame
    answer: Answer
    model: str


class Finished(NamedTuple):
    """A batch that has gone through."""

    answered: list[Answered]
    detector: Detector  # that looked at it
    inferences: int  # that it took: a frame's tiles count each, one that is no picture does not
    engine_ms: float  # its share of the engine's time
    ready_ms: float  # from its closing until its pictures were ready for the engine


class _Ran(NamedTuple):
    answers: list[Answer]
    inferences: int
    engine_ms: float
    ready_ms: float


class _Batch(NamedTuple):
    frames: tuple[Frame, ...]
    lanes: Lanes
    ran: Future[Future[_Ran]]


class Engine:
    """The detector with the threads around it. Its methods are for one thread."""

    def __init__(
        self, detector: Detector, metrics: Metrics, grids: Mapping[str, Grid] = MappingProxyType({})
    ) -> None:
        """`grids`: of the cameras whose frames are looked at in tiles too."""
        self._lanes = Lanes(detector)
        self._retired: list[Lanes] = []
        self._grids = grids
        self._metrics = metrics
        self._running: deque[_Batch] = deque()
        self._around = ThreadPoolExecutor(
            max(2, min(_MAX_DECODERS, cores())), initializer=_name_thread, initargs=(AROUND,)
        )

    @property
    def detector(self) -> Detector:
        """For the batches to come."""
        return self._lanes.detector

    @property
    def running(self) -> tuple[int, ...]:
        """The sizes of the batches in hand, the one that runs first."""
        return tuple(len(batch.frames) for batch in self._running)

    @property
    def is_full(self) -> bool:
        """Whether each lane has its batch, and the next one is being made ready."""
        return len(self._running) > self.detector.backend.lanes

    def inferences(self, frame: Frame) -> int:
        """That it will take."""
        grid = self._grids.get(frame.record.camera)
        return grid.inferences if grid else 1

    def use(self, detector: Detector) -> None:
        """Another model for the batches to come; those in hand end on the one they began with."""
        self._retired.append(self._lanes)
        self._lanes = Lanes(detector)
        self._let_go()

    def start(self, frames: tuple[Frame, ...]) -> None:
        """Begin a batch, of at most the detector's size."""
        lanes, began_s = self._lanes, time.perf_counter()
        # One queue for all of this: whoever waits for pictures was put in after them.
        pictures = [self._around.submit(decode, frame.record.jpeg) for frame in frames]
        grids = [self._grids.get(frame.record.camera) for frame in frames]
        ready = self._around.submit(make_ready, lanes.detector, pictures, grids, began_s)
        ran = lanes.submit(self._run, lanes, ready)
        self._running.append(_Batch(frames, lanes, ran))

    def finished(self, wait_s: float | None) -> list[Finished]:
        """Batches that are through, in order; waits for the first one as long as that (None: ever).

        Raises FatalError if the engine is broken.
        """
        through: list[Finished] = []
        while self._running and _is_done(self._running[0], 0.0 if through else wait_s):
            frames, lanes, future = self._running.popleft()
            detector, ran = lanes.detector, future.result().result()
            answered = [
                Answered(frame, answer, detector.name)
                for frame, answer in zip(frames, ran.answers, strict=True)
            ]
            through.append(
                Finished(answered, detector, ran.inferences, ran.engine_ms, ran.ready_ms)
            )
        self._let_go()
        return through

    def close(self) -> None:
        """Start nothing more; wait for what runs; let go of the detectors."""
        every = [*self._retired, self._lanes]
        for lanes in every:
            lanes.shutdown()
        self._around.shutdown(cancel_futures=True)
        for lanes in every:
            lanes.close()

    def _let_go(self) -> None:
        """Of the detectors that serve no more, once their last batch is through."""
        busy = [batch.lanes for batch in self._running]
        done = [lanes for lanes in self._retired if lanes not in busy]
        self._retired = [lanes for lanes in self._retired if lanes in busy]
        for lanes in done:
            lanes.close()

    # ------------------------------------------------------------ in its threads

    def _run(self, lanes: Lanes, future: Future[Ready]) -> Future[_Ran]:
        """In a lane's thread, which goes on to the next batch while boxes are made of this."""
        ready, detector = future.result(), lanes.detector
        began_s = time.perf_counter()
        try:
            outputs = [detector.run(one) for one in ready.prepared]
        except EngineBroken:
            raise
        except Exception as error:  # of any kind: is it one picture, or the engine?
            outputs = []
            say_one_by_one(ready.images, error)
        found = None if outputs else one_by_one(detector, ready.images, ready.plans)
        ended_s = time.perf_counter()
        share_s = lanes.share.of_s(began_s, ended_s)
        self._metrics.count("onehertz_inferences_total", ready.inferences, stage=STAGE)
        self._metrics.observe("onehertz_inference_seconds", ended_s - began_s, stage=STAGE)
        self._metrics.count("onehertz_busy_seconds_total", share_s, stage=STAGE)
        return self._around.submit(
            lambda: _ran(ready, found or self._boxes(lanes, ready, outputs), share_s)
        )

    def _boxes(self, lanes: Lanes, ready: Ready, outputs: Sequence[Outputs]) -> Sequence[Answer]:
        detector = lanes.detector
        if not outputs:
            return []
        try:
            found = [
                boxes
                for one, answer in zip(ready.prepared, outputs, strict=True)
                for boxes in detector.boxes_of(answer, one.placements, detector.score_threshold)
            ]
            return merge_all(found, ready.images, ready.plans)
        except Exception as error:  # as above
            say_one_by_one(ready.images, error)
            return lanes.submit(one_by_one, detector, ready.images, ready.plans).result()


def _name_thread(name: str) -> None:
    with suppress(OSError):  # no Linux: nobody asks
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name)


def _is_done(batch: _Batch, wait_s: float | None) -> bool:
    deadline_s = None if wait_s is None else time.monotonic() + wait_s
    if not _came(batch.ran, deadline_s):
        return False
    return batch.ran.exception() is not None or _came(batch.ran.result(), deadline_s)


def _came(future: Future[Any], deadline_s: float | None) -> bool:
    if not future.done():
        with suppress(TimeoutError):
            future.exception(None if deadline_s is None else deadline_s - time.monotonic())
    return future.done()


def _ran(ready: Ready, found: Sequence[Answer], took_s: float) -> _Ran:
    """Each frame's answer, in the order of the batch."""
    rest = iter(found)
    count = len(ready.bad) + len(ready.images)
    answers = [ready.bad[n] if n in ready.bad else next(rest) for n in range(count)]
    return _Ran(answers, ready.inferences, took_s * 1000, ready.took_ms)
