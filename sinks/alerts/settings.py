"""Settings of the role `sink alerts`. The rules themselves are `sinks.alerts.rules.Rules`."""

from __future__ import annotations

from pydantic import Field

from runtime.settings import Section


class AlertsSettings(Section):
    """How the role works, not what it raises."""

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
