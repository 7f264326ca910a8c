"""Kafka's settings for one node, broker and controller in one (KRaft), on 127.0.0.1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NODE_ID = 1
DATA = "data"


@dataclass(frozen=True)
class KafkaSettings:
    """How the embedded Kafka differs from one stack to another.

    `retention_check_interval_ms`: how often it looks for records past their retention, for the
    first time that long after its start.
    """

    heap_mb: int = 256
    retention_check_interval_ms: int = 300_000


def server_properties(
    broker_port: int, controller_port: int, settings: KafkaSettings
) -> dict[str, str]:
    """Kafka's settings: one node, small, quick to start, never a topic that nobody asked for."""
    broker = f"PLAINTEXT://127.0.0.1:{broker_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{broker},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": broker,
        # Relative to the folder that Kafka runs in: a path with a comma would be read as two.
        "log.dirs": DATA,
        "auto.create.topics.enable": "false",
        # One node holds the only replica of everything.
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # 50 by default; each costs files, and time at every start.
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.num.partitions": "1",
        # 3 s by default, at every first join of a group.
        "group.initial.rebalance.delay.ms": "0",
        # Let a test lose a member in a second instead of six.
        "group.min.session.timeout.ms": "1000",
        # 10 s by default: for so long an open transaction outlasts its own time-out.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        # 9 s by default. There is no other broker to take over, and one that was stopped for a
        # while and is fenced for it can lose pending transactions (see kafka_recovery).
        "broker.session.timeout.ms": "60000",
        "log.retention.check.interval.ms": str(settings.retention_check_interval_ms),
        "log.initial.task.delay.ms": str(min(settings.retention_check_interval_ms, 30_000)),
        # 128 MB by default: half the heap.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "4",
        "group.coordinator.threads": "1",
    }


def render_properties(properties: Mapping[str, str]) -> str:
    """The text of a Java properties file (java.util.Properties.load)."""
    escapes = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"})
    lines = []
    for key, value in properties.items():
        text = value.translate(escapes)
        # Blanks at the start of a value would be skipped.
        lines.append(f"{key}={chr(92) if text.startswith(' ') else ''}{text}\n")
    return "".join(lines)
