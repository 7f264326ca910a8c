"""Consume and produce with confluent-kafka: what the gate costs beyond it is ours.

With `look`, each JPEG is checked and its luma decoded too, as the gate does before it decides.
"""

from __future__ import annotations

from typing import cast

from confluent_kafka import Producer

from benchmarks.bare.reading import records
from benchmarks.method.metering import Stopwatch, Work
from runtime.kafka import KafkaSettings, producer_config
from vision.jpeg import decode_luma, inspect


def run(
    bootstrap_servers: str, source: str, target: str, partitions: int, count: int, look: bool
) -> Work:
    """Forward `count` records, with key, headers and partition as they are."""
    kafka = KafkaSettings(bootstrap_servers=bootstrap_servers)
    producer = Producer(producer_config(kafka))
    watch: Stopwatch | None = None
    for number, message in enumerate(records(kafka, source, partitions), start=1):
        watch = watch or Stopwatch()
        headers = cast("list[tuple[str, str | bytes | None]]", message.headers())
        value, key, partition = message.value(), message.key(), message.partition()
        if look and value is not None:
            decode_luma(value, inspect(value))
        while True:
            try:
                producer.produce(target, value, key, partition or 0, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        if number == count:
            break
    producer.flush()
    if watch is None:
        raise ValueError(f"{source} is empty")
    return watch.work(count)
