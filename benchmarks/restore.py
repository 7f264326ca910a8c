"""A thousand cameras' gates after a kill, and what keeping their states costs meanwhile.

`gate.restore`: gate-state holds an hour's worth of snapshots at full rate, written in a minute, so
that Kafka's cleaner has had far less time than in life. Measured is what a new owner does between
being told its partitions and going on: it reads the topic and builds a thousand gates.
`gate.snapshots`: what snapshots add to the bytes of 30 kB frames, a camera a second, over an hour.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product

from benchmarks.method.pairing import Pair
from benchmarks.method.results import Result, result
from benchmarks.method.site import Line, Site
from producers.sources.street import StreetSource
from runtime.checkpoint import Checkpoints, StageTopics
from runtime.metrics import Metrics
from runtime.outbox import Outbox, Output
from runtime.sender import Sender
from schemas.codec import Wire, encode_snapshot
from schemas.messages import Captured, Snapshot
from stream_processors.processor import STAGE, CameraGate
from stream_processors.settings import GateSettings
from stream_processors.stage import GateStage
from vision.jpeg import encode_bgr

CAMERAS = 1_000
SECONDS = 3_600
ROUNDS = 3

_WIDTH, _HEIGHT = 1920, 1080
_STREETS, _TICKS = 8, 4
_NOISE = 1.0  # states are then as large as those of a busy camera, 31 kB
_AT_MOST_S = 5.0
_FRAME_BYTES = 30_000
_SHARE = 0.05
_BATCHES_PER_S = 5


def run(site: Site, rounds: int) -> list[Result]:
    """Seconds until all cameras are there again, and bytes of snapshots per frame."""
    line = site.line("restore")
    checkpoints = _checkpoints(line)
    wires = _snapshots(line, _states(), checkpoints.input_id)
    saved = _saved(line, wires)
    _fill(line, wires, times=site.sized(round(saved / CAMERAS)))
    seconds = [Pair(_restored_in_s(line, checkpoints), _AT_MOST_S) for _ in range(rounds)]
    added = saved * sum(map(_size, wires)) / CAMERAS / (SECONDS * CAMERAS)
    return [
        result(
            "gate.restore", seconds, "s", "the most that a thousand cameras may take", wanted=1.0
        ),
        result(
            "gate.snapshots", [Pair(added, _FRAME_BYTES * _SHARE)], "bytes/frame",
            "5 % of a 30 kB frame", wanted=1.0,
        ),
    ]  # fmt: skip


def _states() -> list[bytes]:
    """States of gates that have seen a few frames of 1080p."""
    began_at = datetime(2026, 1, 1, tzinfo=UTC)
    states = []
    for seed in range(_STREETS):
        gate = CameraGate("cam", GateSettings())
        source = StreetSource(seed=seed, width=_WIDTH, height=_HEIGHT, activity=0.5, noise=_NOISE)
        for tick in range(_TICKS):
            frame = Captured(
                camera="cam", captured_at=began_at + timedelta(seconds=tick), run="bench", seq=tick,
                width=_WIDTH, height=_HEIGHT, jpeg=encode_bgr(source.render(60 + tick), 80),
            )  # fmt: skip
            at_us = frame.captured_at_us
            gate.take(frame, appended_at_us=at_us, raw_offset=tick, took_us=at_us)
        states.append(gate.state())
    return states


def _snapshots(line: Line, states: Sequence[bytes], topic_id: str) -> list[Wire]:
    partitions = line.settings.line.partitions
    return [
        encode_snapshot(
            Snapshot(
                camera=f"cam{number:04}", stage=STAGE, topic=line.settings.line.topic("frames-raw"),
                topic_id=topic_id, partition=number % partitions, offset=0,
                state=states[number % len(states)],
            ),
            datetime.now(UTC),
        )
        for number in range(CAMERAS)
    ]  # fmt: skip


def _saved(line: Line, wires: Sequence[Wire]) -> int:
    """Snapshots of all cameras in an hour in which each gives a frame a second."""
    checkpoint, partitions = line.settings.checkpoint, line.settings.line.partitions
    outbox = Outbox(checkpoint.snapshot_interval_s, checkpoint.snapshot_share)
    for number in range(partitions):
        outbox.own(number, start=0, published_to=-1)
    saved = 0
    for second, turn in product(range(SECONDS), range(_BATCHES_PER_S)):
        for number, wire in enumerate(wires) if turn == 0 else ():
            partition, nth = number % partitions, number // partitions
            offset = second * (CAMERAS // partitions) + nth
            outbox.add(partition, offset, wire.key.decode(), [], _FRAME_BYTES)
        batch = outbox.take(
            second + turn / _BATCHES_PER_S,
            lambda camera, number, _offset: Output("", number, wires[int(camera[3:])]),
        )
        saved += len(batch.outputs) if batch else 0
    return saved


def _size(wire: Wire) -> int:
    headers = sum(len(name) + len(value) for name, value in wire.headers)
    return len(wire.key) + len(wire.value) + headers


def _fill(line: Line, wires: Sequence[Wire], times: int) -> None:
    sender = Sender(line.settings.kafka)
    topic, partitions = line.settings.line.topic("gate-state"), line.settings.line.partitions
    for _, (number, wire) in product(range(times), enumerate(wires)):
        sender.send(topic, wire, partition=number % partitions)
    if left := sender.flush(120.0):
        raise TimeoutError(f"{left} snapshots were not acknowledged")


def _checkpoints(line: Line) -> Checkpoints:
    topic = line.settings.line.topic
    topics = StageTopics(
        STAGE, line.settings.line.group(STAGE), topic("frames-raw"), topic("gate-state"),
        topic("frames-gated"),
    )  # fmt: skip
    return Checkpoints(line.settings.kafka, topics)


def _restored_in_s(line: Line, checkpoints: Checkpoints) -> float:
    stage = GateStage(GateSettings(), Outbox(60), Metrics(), lambda: 0, {})
    began_s = time.monotonic()
    taken = checkpoints.take_over(range(line.settings.line.partitions))
    for number, found in taken.items():
        stage.own(number, found)
    took_s = time.monotonic() - began_s
    if sum(len(found.states) for found in taken.values()) != CAMERAS:
        raise ValueError("not all cameras were restored")
    return took_s
