"""The gate as a Faust app: Faust has the group and the stream, one transaction has the output.

Faust decides which partitions are ours and hands over their messages, in order. What comes of
them collects in an outbox; every `checkpoint_interval_s` one Kafka transaction publishes it with
the snapshots that are due and the offsets (runtime/transactions.py). Faust itself commits nothing
and publishes nothing. If anything about a checkpoint fails, all state is dropped and read again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import cv2
from faust.types import TP

from runtime.checkpoint import Checkpoints, CheckpointSettings, StageTopics, Taken
from runtime.context import Context
from runtime.dead_letters import Origin
from runtime.errors import FatalError, Fenced, OnehertzError
from runtime.kafka import now_us
from runtime.outbox import Outbox
from runtime.topics import check_topics
from runtime.transactions import Transactions, group_metadata
from schemas.codec import Received
from stream_processors.faust_app import (
    App,
    Fetched,
    consumer_thread,
    faust_app,
    member_id,
    mend_seeking,
    rejoin,
    tune_fetcher,
)
from stream_processors.processor import STAGE
from stream_processors.settings import GateSettings
from stream_processors.stage import GateStage

log = logging.getLogger("onehertz.gate")

_TOPICS = ("frames-raw", "frames-gated", "gate-state", "frames-raw-dlq")
_FEEDBACK = "detections"
# Unpublished outputs at most, in records: beyond it the stream waits for a checkpoint.
_MAX_WAITING = 2_000
# How long frames are worked on before the process looks after anything else.
_TURN_S = 0.01


def run_gate(
    context: Context,
    settings: GateSettings,
    checkpoint: CheckpointSettings,
    ungated: Collection[str] = (),
    magnified: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Run the role until `context.stop` is requested. Every frame of `ungated` cameras is kept;
    those of `magnified` ones go on so many times larger.

    Raises UserError, FatalError.
    """
    feedback = [_FEEDBACK] if settings.learns else []
    check_topics(context.kafka, context.line, [*_TOPICS, *feedback])
    cv2.setNumThreads(1)  # pictures of 1/8 size: starting threads costs more than they save
    asyncio.run(_GateApp(context, settings, checkpoint, ungated, magnified).run())


class _GateApp:
    """Wires Faust, the stage and the transactions together; decides nothing."""

    def __init__(
        self,
        context: Context,
        settings: GateSettings,
        checkpoint: CheckpointSettings,
        ungated: Collection[str],
        magnified: Mapping[str, int],
    ) -> None:
        line = context.line
        topics = {name: line.topic(name) for name in _TOPICS}
        self._context = context
        self._interval_s = checkpoint.interval_s
        self._group = line.group(STAGE)
        self._input = topics["frames-raw"]
        self._feedback = line.topic(_FEEDBACK) if settings.learns else None
        self._inputs = [self._input, *([self._feedback] if self._feedback else [])]
        self._outbox = Outbox(checkpoint.snapshot_interval_s, checkpoint.snapshot_share)
        self._stage = GateStage(
            settings, self._outbox, context.metrics, now_us, topics, ungated, magnified
        )
        self._checkpoints = Checkpoints(
            context.kafka,
            StageTopics(
                STAGE,
                self._group,
                self._input,
                topics["gate-state"],
                topics["frames-gated"],
                feedback=self._feedback,
            ),
        )
        self._transactions = Transactions(
            context.kafka,
            context.transactional_id(STAGE),
            self._input,
            lambda: context.failpoints.passing("gate.before-commit"),
            lambda: context.health.beat(progressed=False, waiting_for_work=False),
            self._feedback,
        )
        self._checkpoint_lock = asyncio.Lock()
        self._member = b""
        self._generation = -1
        self._failure: BaseException | None = None
        self._ended = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._context.stop.on_request(lambda: _set_soon(loop, self._ended))
        self._app = faust_app(self._group, self._context.kafka)
        self._connect(self._app)
        async with asyncio.TaskGroup() as tasks:
            beat = tasks.create_task(self._checkpoint_loop())
            await self._run_app()
            beat.cancel()
        if self._failure is not None:
            raise self._failure

    async def _run_app(self) -> None:
        self._app.finalize()
        try:
            await self._app.start()
            await self._app.wait_for_stopped(self._ended.wait())
            if self._app.crashed:
                self._fail(FatalError(f"Faust has stopped: {self._app.crash_reason!r}"))
            if self._failure is None:
                await self._checkpoint(final=True)
        finally:
            self._stage.disown_all()
            await self._app.stop()

    def _connect(self, app: App) -> None:
        @app.agent(app.read(self._inputs), concurrency=1, name="gate")
        async def gate(stream: Any) -> None:
            async for fetched in stream:
                await self._take(fetched)

        # By default Faust keeps weak references to handlers: bound methods of ours would vanish.
        handlers: list[tuple[Any, Any]] = [
            (app.on_rebalance_complete, self._on_rebalance_complete),
            (app.on_partitions_revoked, self._on_partitions_revoked),
        ]
        for signal, handler in handlers:
            signal.connect(handler, weak=False)

    async def _take(self, fetched: Fetched) -> None:
        turn_ends_s = time.monotonic() + _TURN_S
        for message in fetched.messages:
            # Asked again after every wait: what was fetched outlives a revocation.
            if fetched.generation != self._generation:
                return
            try:
                await self._take_one(message)
            except OnehertzError as error:
                self._fail(error)
            if self._outbox.waiting() > _MAX_WAITING:
                await self._checkpoint()
            elif time.monotonic() > turn_ends_s:
                await asyncio.sleep(0)  # checkpoints and rebalances get their turn between frames
                turn_ends_s = time.monotonic() + _TURN_S

    async def _take_one(self, message: Any) -> None:
        received = Received(message.key, message.value, message.headers)
        origin = Origin(message.topic, message.partition, message.offset)
        if message.topic != self._input:
            self._stage.learn(received, origin)
            return
        skipped = self._outbox.skipped(message.partition, message.offset)
        if skipped is not None and not await asyncio.to_thread(
            self._checkpoints.holds_nothing, message.partition, skipped, message.offset
        ):
            self._reread(message.partition, skipped, message.offset)
            return
        self._stage.take(received, origin, message.timestamp * 1000)

    def _reread(self, partition: int, skipped: int, offset: int) -> None:
        """Records were left out: nothing after them may be committed."""
        log.error(
            "%s[%d]: offset %d was to come, %d has come, and there are records between: state "
            "dropped, rejoining",
            *(self._input, partition, skipped, offset),
        )
        self._stage.disown_all()
        rejoin(self._app)

    # ------------------------------------------------------------ ownership

    async def _on_rebalance_complete(self, app: Any, *_args: Any, **_: Any) -> None:
        """Faust awaits this before it seeks to the committed offsets and resumes."""
        generation = app.consumer_generation_id
        assigned = {tp.partition for tp in app.consumer.assignment() if tp.topic == self._input}
        member = member_id(app)
        self._stage.disown_all()
        try:
            taken = await asyncio.to_thread(
                self._checkpoints.take_over,
                assigned,
                lambda: app.consumer_generation_id != generation,
            )
        except OnehertzError as error:
            self._fail(error)
            return
        if app.consumer_generation_id != generation or taken.keys() != assigned:
            return  # the next rebalance is on its way
        await self._own(app, taken, generation, member)

    async def _own(self, app: App, taken: dict[int, Taken], generation: int, member: str) -> None:
        # Faust seeks to what is committed: so that it is where the state ends.
        mend_seeking(app)
        starts = {TP(self._input, number): found.start for number, found in taken.items()}
        if self._feedback is not None:
            starts |= self._feedback_starts(self._feedback, taken, app.consumer.assignment())
        if starts and not await consumer_thread(app).commit(starts):
            return  # a rebalance came meanwhile: the next one takes over
        self._member = group_metadata(self._group, generation, member)
        self._generation = generation
        self._stage.input_id = self._checkpoints.input_id
        for number, found in taken.items():
            self._stage.own(number, found)
        tune_fetcher(app)
        self._context.health.assigned = True
        self._context.metrics.count("onehertz_rebalances_total", stage=STAGE)
        log.info("partitions %s", ", ".join(map(str, sorted(taken))) or "none")

    def _feedback_starts(
        self, topic: str, taken: dict[int, Taken], assigned: Collection[TP]
    ) -> dict[TP, int]:
        # Faust assigns both topics alike, but to members that read both: not to one of before a
        # change of the settings.
        found = {TP(topic, n): at.feedback for n, at in taken.items() if at.feedback is not None}
        if not found.keys() <= set(assigned):
            log.warning("%s is assigned elsewhere: all gates must have one gate.feedback", topic)
        return {place: at for place, at in found.items() if place in assigned}

    async def _on_partitions_revoked(self, _app: Any, *_args: Any, **_: Any) -> None:
        self._context.health.assigned = False
        await self._checkpoint(final=True)
        self._stage.disown_all()

    # ------------------------------------------------------------ checkpoints

    async def _checkpoint_loop(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            progressed = await self._checkpoint()
            self._report_lag()
            self._context.health.beat(progressed=progressed, waiting_for_work=not progressed)

    def _report_lag(self) -> None:
        for number, position in self._outbox.positions.items():
            end = self._app.consumer.highwater(TP(self._input, number))
            if end is not None:  # nothing was fetched from it yet
                self._context.metrics.set(
                    "onehertz_lag_records",
                    max(0, end - position),
                    stage=STAGE,
                    partition=str(number),
                )

    async def _checkpoint(self, *, final: bool = False) -> bool:
        """Publish what waits. Whether there was something and it is out."""
        async with self._checkpoint_lock:
            batch = self._outbox.take(time.monotonic(), self._stage.snapshot, final=final)
            if batch is None:
                return False
            began_s = time.monotonic()
            try:
                await asyncio.to_thread(self._transactions.commit, batch, self._member)
            except Fenced as error:
                log.warning("%s: state dropped, rejoining", error)
                self._context.metrics.count("onehertz_fenced_total", stage=STAGE)
                self._stage.disown_all()
                rejoin(self._app)
                return False
            except OnehertzError as error:
                self._fail(error)
                return False
            took_s = time.monotonic() - began_s
            self._context.metrics.observe("onehertz_commit_seconds", took_s, stage=STAGE)
            return True

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stage.disown_all()
        self._ended.set()


def _set_soon(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    loop.call_soon_threadsafe(event.set)
