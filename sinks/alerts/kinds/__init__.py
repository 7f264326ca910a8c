"""The kinds of rule, one file each. A new kind: its file, and its line here."""

from __future__ import annotations

from sinks.alerts.kinds.base import Condition, Rule, Seen, Sight, Verdict
from sinks.alerts.kinds.presence import PresenceRule

KINDS: dict[str, type[Rule]] = {
    "presence": PresenceRule,
}

__all__ = ["KINDS", "Condition", "Rule", "Seen", "Sight", "Verdict"]
