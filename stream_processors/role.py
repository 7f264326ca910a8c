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
from collections.abc import Collection
from typing import Any

import cv2
import faust
from faust.types import TP

from runtime.checkpoint import Checkpoints, CheckpointSettings, StageTopics, Taken
from runtime.context import Context
from runtime.dead_letters import Origin
from runtime.errors import FatalError, Fenced, OnehertzError
from runtime.kafka import KafkaSettings, now_us
from runtime.outbox import Outbox
from runtime.topics import check_topics
from runtime.transactions import Transactions, group_metadata
from schemas.codec import Received
from stream_processors.processor import STAGE
from stream_processors.settings import GateSettings
from stream_processors.stage import GateStage

log = logging.getLogger("onehertz.gate")

_TOPICS = ("frames-raw", "frames-gated", "gate-state", "frames-raw-dlq")
# Unpublished outputs at most, in records: beyond it the stream waits for a checkpoint.
_MAX_WAITING = 2_000


def run_gate(
    context: Context,
    settings: GateSettings,
    checkpoint: CheckpointSettings,
    ungated: Collection[str] = (),
) -> None:
    """Run the role until `context.stop` is requested. Every frame of `ungated` cameras is kept.

    Raises UserError, FatalError.
    """
    check_topics(context.kafka, context.line, list(_TOPICS))
    cv2.setNumThreads(1)  # pictures of 1/8 size: starting threads costs more than they save
    asyncio.run(_GateApp(context, settings, checkpoint, ungated).run())


class _GateApp:
    """Wires Faust, the stage and the transactions together; decides nothing."""

    def __init__(
        self,
        context: Context,
        settings: GateSettings,
        checkpoint: CheckpointSettings,
        ungated: Collection[str],
    ) -> None:
        line = context.line
        topics = {name: line.topic(name) for name in _TOPICS}
        self._context = context
        self._interval_s = checkpoint.interval_s
        self._group = line.group(STAGE)
        self._input = topics["frames-raw"]
        self._outbox = Outbox(checkpoint.snapshot_interval_s)
        self._stage = GateStage(settings, self._outbox, context.metrics, now_us, topics, ungated)
        self._checkpoints = Checkpoints(
            context.kafka,
            StageTopics(
                STAGE, self._group, self._input, topics["gate-state"], topics["frames-gated"]
            ),
        )
        self._transactions = Transactions(
            context.kafka,
            context.transactional_id(STAGE),
            self._input,
            lambda: context.failpoints.passing("gate.before-commit"),
            lambda: context.health.beat(progressed=False, waiting_for_work=False),
        )
        self._checkpoint_lock = asyncio.Lock()
        self._member = b""
        self._generation = -1
        self._failure: BaseException | None = None
        self._ended = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._context.stop.on_request(lambda: _set_soon(loop, self._ended))
        self._app = _faust_app(self._group, self._context.kafka)
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

    def _connect(self, app: faust.App) -> None:
        topic = app.topic(
            self._input, key_type=bytes, value_type=bytes, key_serializer="raw",
            value_serializer="raw", acks=False,
        )  # fmt: skip

        @app.agent(topic, concurrency=1, name="gate")
        async def gate(stream: Any) -> None:
            # noack_take's buffer outlives a revocation: `_take` looks at each event's generation.
            async for events in stream.noack_take(100, within=0.02):
                for event in events:
                    await self._take(event)

        # By default Faust keeps weak references to handlers: bound methods of ours would vanish.
        handlers: list[tuple[Any, Any]] = [
            (app.on_rebalance_complete, self._on_rebalance_complete),
            (app.on_partitions_revoked, self._on_partitions_revoked),
        ]
        for signal, handler in handlers:
            signal.connect(handler, weak=False)

    async def _take(self, event: Any) -> None:
        message = event.message
        if message.generation_id != self._generation:
            return
        try:
            skipped = self._outbox.skipped(message.partition, message.offset)
            if skipped is not None and not await asyncio.to_thread(
                self._checkpoints.holds_nothing, message.partition, skipped, message.offset
            ):
                self._reread(message.partition, skipped, message.offset)
                return
            self._stage.take(
                Received(message.key, message.value, message.headers),
                Origin(message.topic, message.partition, message.offset),
                round(message.timestamp * 1e6),
            )
        except OnehertzError as error:
            self._fail(error)
        if self._outbox.waiting() > _MAX_WAITING:
            await self._checkpoint()
        else:
            await asyncio.sleep(0)  # checkpoints and rebalances get their turn between frames

    def _reread(self, partition: int, skipped: int, offset: int) -> None:
        """Records were left out: nothing after them may be committed."""
        log.error(
            "%s[%d]: offset %d was to come, %d has come, and there are records between: state "
            "dropped, rejoining",
            *(self._input, partition, skipped, offset),
        )
        self._stage.disown_all()
        _rejoin(self._app)

    # ------------------------------------------------------------ ownership

    async def _on_rebalance_complete(self, app: Any, *_args: Any, **_: Any) -> None:
        """Faust awaits this before it seeks to the committed offsets and resumes."""
        generation = app.consumer_generation_id
        assigned = {tp.partition for tp in app.consumer.assignment() if tp.topic == self._input}
        member = _member_id(app)
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

    async def _own(
        self, app: faust.App, taken: dict[int, Taken], generation: int, member: str
    ) -> None:
        # Faust seeks to what is committed: so that it is where the state ends.
        _mend_seeking(app)
        starts = {TP(self._input, number): found.start for number, found in taken.items()}
        if starts and not await _thread(app).commit(starts):
            return  # a rebalance came meanwhile: the next one takes over
        self._member = group_metadata(self._group, generation, member)
        self._generation = generation
        self._stage.input_id = self._checkpoints.input_id
        for number, found in taken.items():
            self._stage.own(number, found)
        _tune_fetcher(app)
        self._context.health.assigned = True
        self._context.metrics.count("onehertz_rebalances_total", stage=STAGE)
        log.info("partitions %s", ", ".join(map(str, sorted(taken))) or "none")

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
                _rejoin(self._app)
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


# ---------------------------------------------------------------- Faust's corners


class _App(faust.App):
    """Without tables on disk, so without folders for them: each kill would leave some."""

    def _create_directories(self) -> None:
        pass


def _faust_app(group: str, kafka: KafkaSettings) -> faust.App:
    session_s = kafka.session_timeout_ms / 1000
    return _App(
        group,
        broker=[f"kafka://{server}" for server in kafka.bootstrap_servers.split(",")],
        **_credentials(kafka),
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        # Faust's own assignor. With 0, and no tables, Faust takes aiokafka's round robin instead.
        table_standby_replicas=1,
        # Only for the moment between assignment and our commit of where to start. A jump later on,
        # because retention was faster than we, is noticed in `_take`.
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 * 1024 * 1024,
        broker_max_poll_records=200,
        stream_buffer_maxsize=256,  # frames of 30 to 500 kB; 4096 by default
        broker_session_timeout=session_s,
        broker_heartbeat_interval=min(1.0, session_s / 3),
        broker_request_timeout=max(30.0, session_s + 5),
        broker_rebalance_timeout=30.0,
        stream_wait_empty=False,
        origin="stream_processors",
    )


def _credentials(kafka: KafkaSettings) -> dict[str, Any]:
    """Faust's own form of the connection's settings."""
    if kafka.security_protocol == "PLAINTEXT":
        return {}
    import ssl

    from faust import auth
    from faust.types.auth import SASLMechanism

    from runtime.settings import reveal

    context = ssl.create_default_context(cafile=kafka.ssl_ca_file)
    if kafka.security_protocol == "SSL":
        return {"broker_credentials": auth.SSLCredentials(context)}
    password = reveal(kafka.sasl_password, kafka.sasl_password_file, "kafka.sasl_password")
    return {
        "broker_credentials": auth.SASLCredentials(
            username=kafka.sasl_username,
            password=password,
            mechanism=SASLMechanism(kafka.sasl_mechanism),
            ssl_context=context if kafka.security_protocol == "SASL_SSL" else None,
        )
    }


def _aiokafka(app: faust.App) -> Any:
    """The aiokafka consumer inside Faust's (faust-streaming 0.15.3, aiokafka 0.14.0: pinned)."""
    return _thread(app)._ensure_consumer()


def _thread(app: faust.App) -> Any:
    return app.consumer._thread  # type: ignore[attr-defined] # Faust's interface hides it


def _member_id(app: faust.App) -> str:
    return str(_aiokafka(app)._coordinator.member_id)


def _rejoin(app: faust.App) -> None:
    coordinator = _aiokafka(app)._coordinator
    _thread(app).thread_loop.call_soon_threadsafe(coordinator.request_rejoin)


def _mend_seeking(app: faust.App) -> None:
    """Make "seek to what is committed" mean it for the offset 0 too.

    aiokafka leaves such a partition where it is. What Faust had fetched of it during a rebalance,
    and thrown away, never came again: seen as lost records and as a partition that stood still, in
    3 of 8 runs in which a gate was killed before its first snapshot.
    """
    consumer = _aiokafka(app)
    if isinstance(consumer.seek_to_committed, _SeekToCommitted):
        return
    consumer.seek_to_committed = _SeekToCommitted(consumer)


class _SeekToCommitted:
    """In place of the method of an aiokafka consumer; runs in the consumer's thread."""

    def __init__(self, consumer: Any) -> None:
        self._seek = consumer.seek
        self._seek_to_committed = consumer.seek_to_committed

    async def __call__(self, *partitions: Any) -> Any:
        found = await self._seek_to_committed(*partitions)
        for place, offset in found.items():
            if offset == 0:
                self._seek(place, 0)
        return found


def _tune_fetcher(app: faust.App) -> None:
    """At a low rate, one fetch per message costs 3.1 ms of CPU; waiting 100 ms for more, 0.8."""
    fetcher = _aiokafka(app)._fetcher
    fetcher._fetch_min_bytes = 1024 * 1024
    fetcher._fetch_max_wait_ms = 100
