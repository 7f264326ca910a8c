"""Live cameras' way to the broker, as fast as it goes, against a bare confluent-kafka producer.

Frames of 100 kB. Ours is what each tick of a live camera goes through once its JPEG is there: the
codec, the outlet, the courier, the sender, served as the role serves them. The other sends the same
bytes, made beforehand, by a client with the same settings. Both run in this process, and have at
most 30 MB under way: less than what the courier sends before it turns to the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

from confluent_kafka import Producer

from benchmarks.method import backlog
from benchmarks.method.metering import Stopwatch, Work, compared
from benchmarks.method.pairing import interleaved
from benchmarks.method.results import Result
from benchmarks.method.site import Line, Site
from producers.role import live_outlet
from producers.settings import SpoolSettings
from runtime.context import Context
from runtime.errors import FatalError
from runtime.health import Health
from runtime.kafka import producer_config
from runtime.lifecycle import Stop
from runtime.metrics import Metrics
from schemas.codec import encode_frame
from schemas.messages import Captured
from schemas.wire import Wire

FRAMES = 3_000
FRAME_BYTES = 100_000
ROUNDS = 5

_UNDER_WAY = 300
_NEXT_TICK_S = 0.005  # wakes who serves; that cameras hold back is of this benchmark alone
_BARE = "bare confluent-kafka producer with the same settings, the same bytes made beforehand"


def run(site: Site, rounds: int) -> list[Result]:
    """Frames/s and CPU per frame."""
    line = site.line("publish")
    spool = SpoolSettings(path=site.folder / "publish-spool")

    def anew(side: Callable[[list[Captured]], Work]) -> Work:
        site.forget(line, "produce", ["frames-raw"])
        return side(_frames(site.sized(FRAMES)))

    bare = partial(_bare, line)
    anew(bare)  # a broker's first messages are its slowest
    sides = {"ours": partial(anew, partial(_ours, line, spool)), "bare": partial(anew, bare)}
    measured = interleaved(rounds, sides)
    return compared("publish", measured, ("ours", "bare"), "frame", _BARE, wanted_rate=0.9)


def _frames(count: int) -> list[Captured]:
    began_at = datetime.now(UTC) - timedelta(seconds=count)
    return list(backlog.captured([bytes(FRAME_BYTES)] * 64, count, began_at))


def _ours(line: Line, spool: SpoolSettings, frames: list[Captured]) -> Work:
    settings = line.settings
    context = Context(settings.kafka, settings.line, Stop(), Metrics(), Health(60.0))
    with live_outlet(context, spool) as outlet:

        def send(some: list[Captured]) -> None:
            for frame in some:
                outlet.hand(frame)
                until_fewer(_UNDER_WAY)
            until_fewer(1)

        def until_fewer(most: int) -> None:
            outlet.serve()
            while len(outlet) >= most:
                time.sleep(_NEXT_TICK_S)
                outlet.serve()

        send(frames[:1])  # the connection is there then
        watch = Stopwatch()
        send(frames[1:])
        work = watch.work(len(frames) - 1)
        if context.metrics.registry.get_sample_value(
            "onehertz_spooled_ticks", {"stage": "produce"}
        ):
            raise FatalError("publish: the broker was so slow that ticks went to the disk")
        return work


def _bare(line: Line, frames: list[Captured]) -> Work:
    wires = [encode_frame(frame, "produce") for frame in frames]
    topic = line.settings.line.topic("frames-raw")
    producer = Producer(producer_config(line.settings.kafka))

    def send(some: list[Wire]) -> None:
        for wire in some:
            headers = cast("list[tuple[str, str | bytes | None]]", wire.headers)
            producer.produce(topic, wire.value, wire.key, headers=headers)
            producer.poll(0)
            while len(producer) >= _UNDER_WAY:
                producer.poll(0.05)
        producer.flush()

    send(wires[:1])
    watch = Stopwatch()
    send(wires[1:])
    return watch.work(len(wires) - 1)
