"""The gate's decisions alone, on records that were read and decoded beforehand."""

from __future__ import annotations

from itertools import islice

from benchmarks.bare.reading import records
from benchmarks.method.metering import Stopwatch, Work
from runtime.kafka import KafkaSettings, received
from schemas.codec import decode_raw
from stream_processors.processor import CameraGate
from stream_processors.settings import GateSettings


def run(bootstrap_servers: str, prefix: str, partitions: int, count: int) -> Work:
    """Decide on `count` frames."""
    kafka = KafkaSettings(bootstrap_servers=bootstrap_servers)
    messages = records(kafka, prefix + "frames-raw", partitions)
    frames = [decode_raw(received(message)) for message in islice(messages, count)]
    gates: dict[str, CameraGate] = {}
    watch = Stopwatch()
    for offset, frame in enumerate(frames):
        if frame.camera not in gates:
            gates[frame.camera] = CameraGate(frame.camera, GateSettings())
        gates[frame.camera].take(
            frame, appended_at_us=frame.captured_at_us, raw_offset=offset, took_us=0
        )
    return watch.work(count)
