"""Settings of the role `sink alerts`. The rules themselves are `sinks.alerts.rules.Rules`."""

from __future__ import annotations

from pydantic import Field

from runtime.settings import Section


class AlertsSettings(Section):
    """How the role works, not what it raises."""

    group: str = Field(
        default="onehertz-alerts",
        min_length=1,
        max_length=200,
        description="Consumer group over `detections`.",
    )
    checkpoint_ms: int = Field(
        default=500,
        ge=50,
        le=10_000,
        description="How often a transaction publishes the alerts so far (ms). Adds to an alert's "
        "latency: about half of it on average.",
    )
    snapshot_s: float = Field(
        default=5.0,
        ge=0.5,
        le=300,
        description="How often the state of the cameras that changed is written and the offsets "
        "move forward (s). After a crash, at most this much is read again.",
    )
    max_batch: int = Field(
        default=500, ge=1, le=10_000, description="Records taken from Kafka at once."
    )
    late_after_s: float = Field(
        default=300.0,
        ge=1,
        description="An alert is marked late when the broker got its record this long (s) after "
        "the capture time: spooled frames after an outage, or video of earlier days.",
    )

    def is_late(self, captured_at_us: int, appended_at_us: int) -> bool:
        """By the broker's append time (part of the input), never by this machine's clock."""
        return appended_at_us - captured_at_us > self.late_after_s * 1_000_000
