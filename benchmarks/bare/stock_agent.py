"""The gate as Faust's own documentation would have it: one event at a time, `await topic.send()`.

Records and snapshots are the same as the role's; there are no transactions, so a crash repeats or
loses some of them.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import cv2
import faust

from benchmarks.method.metering import Stopwatch, Work
from runtime.dead_letters import Origin
from runtime.kafka import now_us
from runtime.metrics import Metrics
from runtime.outbox import Outbox
from runtime.recovery import Taken
from schemas.codec import Received
from stream_processors.settings import GateSettings
from stream_processors.stage import GateStage

_SNAPSHOTS_EVERY_S = 15.0
_RAW: dict[str, Any] = {
    "key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw",
}  # fmt: skip


def run(bootstrap_servers: str, prefix: str, partitions: int, count: int) -> Work:
    """Gate `count` frames."""
    cv2.setNumThreads(1)
    return asyncio.run(_Stock(bootstrap_servers, prefix, partitions, count).run())


class _Stock:
    def __init__(self, bootstrap_servers: str, prefix: str, partitions: int, count: int) -> None:
        self._count = count
        self._app = faust.App(
            f"{prefix}onehertz-stock",
            broker=[f"kafka://{server}" for server in bootstrap_servers.split(",")],
            store="memory://",
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            consumer_auto_offset_reset="earliest",
            # As fast as it goes with Faust's own producer (and without these, frames don't fit).
            consumer_max_fetch_size=4 * 1024 * 1024,
            stream_buffer_maxsize=256,
            producer_linger=0.005,
            producer_max_batch_size=1024 * 1024,
            producer_max_request_size=10 * 1024 * 1024,
        )
        names = ("frames-raw", "frames-gated", "gate-state")
        topics = {name: prefix + name for name in names}
        self._topics = {name: self._app.topic(name, **_RAW) for name in topics.values()}
        self._outbox = Outbox(_SNAPSHOTS_EVERY_S)
        self._stage = GateStage(GateSettings(), self._outbox, Metrics(), now_us, topics)
        self._stage.input_id = "stock"
        for number in range(partitions):
            self._stage.own(number, Taken(0))
        self._app.agent(self._topics[topics["frames-raw"]], name="gate")(self._agent)
        self._watch: Stopwatch | None = None
        self._done = asyncio.Event()

    async def run(self) -> Work:
        self._app.finalize()
        await self._app.start()
        await self._app.wait_for_stopped(self._done.wait())
        await self._app.producer.flush()
        if self._watch is None:
            raise ValueError("Faust has stopped before the first frame")
        work = self._watch.work(self._count)
        await self._app.stop()
        return work

    async def _agent(self, stream: Any) -> None:
        taken = 0
        async for event in stream.events():
            self._watch = self._watch or Stopwatch()
            message = event.message
            self._stage.take(
                Received(message.key, message.value, message.headers),
                Origin(message.topic, message.partition, message.offset),
                round(message.timestamp * 1e6),
            )
            batch = self._outbox.take(time.monotonic(), self._stage.snapshot)
            for output in batch.outputs if batch else ():
                await self._topics[output.topic].send(
                    key=output.wire.key, value=output.wire.value, partition=output.partition,
                    headers=output.wire.headers,
                )  # fmt: skip
            taken += 1
            if taken == self._count:
                self._done.set()
