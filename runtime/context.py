"""What every role gets: how to reach Kafka, which line, and how to tell how it is doing."""

from __future__ import annotations

import socket
import uuid
from dataclasses import dataclass, field

from runtime.failpoints import Failpoints
from runtime.health import Health
from runtime.kafka import KafkaSettings
from runtime.lifecycle import Stop
from runtime.metrics import Metrics
from runtime.topics import LineSettings


@dataclass(frozen=True)
class Context:
    """The surroundings of a role; a stage takes its own settings beside it."""

    kafka: KafkaSettings
    line: LineSettings
    stop: Stop
    metrics: Metrics
    health: Health
    slot: str | None = None  # names this process among its role's, the same after a restart
    failpoints: Failpoints = field(default_factory=lambda: Failpoints(None))

    def transactional_id(self, role: str) -> str:
        """The same after a restart where a slot is given.

        With a slot a killed process' open transaction ends when it comes back (about 1 s); without
        one, when Kafka times it out (`kafka.transaction_timeout_ms`).
        """
        name = self.slot or f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
        return f"{self.line.group(role)}-{name}"
