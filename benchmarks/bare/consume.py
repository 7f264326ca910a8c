"""Consume and decode: what the alert rules cost beyond it is ours."""

from __future__ import annotations

from benchmarks.bare.reading import records
from benchmarks.method.metering import Stopwatch, Work
from runtime.kafka import KafkaSettings, received
from schemas.codec import decode_result


def run(bootstrap_servers: str, source: str, partitions: int, count: int) -> Work:
    """Read and decode `count` records of detections."""
    watch: Stopwatch | None = None
    messages = records(KafkaSettings(bootstrap_servers=bootstrap_servers), source, partitions)
    for _, message in zip(range(count), messages, strict=False):
        watch = watch or Stopwatch()
        decode_result(received(message))
    if watch is None:
        raise ValueError(f"{source} is empty")
    return watch.work(count)
