"""`presence`: at least one box of the labels is in the zone."""

from __future__ import annotations

from typing import Literal

from sinks.alerts.kinds.base import Condition, Sight, Verdict
from sinks.alerts.kinds.boxes import BoxRule, Selection


class PresenceRule(BoxRule):
    """Something of the labels has been in the zone for `for_s`; need not be the same one."""

    kind: Literal["presence"]

    def condition(self) -> Condition:
        return Presence(Selection(self))

    def subject(self) -> str:
        return self.selection_text()


class Presence(Condition):
    """Holds while a selected box is there; unknown while nothing is known of the boxes."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    def judge(self, sight: Sight) -> Verdict | None:
        if sight.seen is None:
            return None
        boxes = self._selection.of(sight.seen)
        return Verdict(holds=bool(boxes), boxes=boxes)
