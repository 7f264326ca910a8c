"""What verify answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from onehertz.verify.findings import Findings


@dataclass
class TopicRead:
    """How much of a topic was read."""

    messages: int = 0
    partitions_cut: int = 0  # whose beginning is gone (retention) or was not asked for


@dataclass
class Report:
    """The answer, and what it rests on."""

    findings: Findings = field(default_factory=Findings)
    ticks: int = 0  # distinct ticks that frames-raw accepted, up to where it ended at the start
    rows: int = 0  # of `frames` for ticks of that stretch; right or wrong
    older_rows: int = 0  # whose tick has expired on frames-raw: checked as far as possible
    in_flight: int = 0  # ticks, alert changes and broken messages that a stage has not reached
    waiting_for: str = ""  # the stage that had not reached its end when the wait was over
    read: dict[str, TopicRead] = field(default_factory=dict)  # by topic name without prefix

    @property
    def ok(self) -> bool:
        """Everything was judged, and nothing is wrong.

        A line that has not drained is not: what is in flight may yet get lost.
        """
        return not any(self.findings.counts.values()) and self.in_flight == 0

    def as_json(self) -> dict[str, int | bool]:
        """The object that `--json` prints: an interface."""
        counts = self.findings.counts
        return {
            "ticks": self.ticks,
            "rows": self.rows,
            "lost": counts["lost"],
            "twice": counts["twice"],
            "out_of_order": counts["out_of_order"],
            "unexplained": counts["unexplained"],
            "ok": self.ok,
        }
