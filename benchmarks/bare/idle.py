"""A Python process with a Kafka client that does nothing: the least memory that a role can have."""

from __future__ import annotations

import os

from onehertz.stack.processes import memory_bytes
from runtime.kafka import KafkaSettings, reader


def run(bootstrap_servers: str) -> int:
    """This process' memory in bytes (PSS), connected to Kafka."""
    consumer = reader(KafkaSettings(bootstrap_servers=bootstrap_servers))
    try:
        consumer.list_topics(timeout=15)
        return memory_bytes(os.getpid())
    finally:
        consumer.close()
