"""The alert rules of one camera: `detections` records in, changes of alerts out.

What decides is the records in the order of their capture times, nothing else: no clock, no chance.

- A tick at or before the camera's last one is a repeat and changes nothing.
- An *unchanged* tick shows the boxes of the frame that it equals, if that is the last inferred
  frame taken here; otherwise nothing is known of it.
- A *missing* tick moves the time on, and nothing is known of it.
- A *rejected* tick is passed over altogether, its time included: its capture time may be what is
  wrong with it (`clock`: hours ahead, and every later tick would look like a repeat).
- What unknown ticks mean for an alert is told in `sinks/alerts/episode.py`: they are as if they had
  not been.

A rule that was changed or removed loses its state. An alert that it had raised is cleared at the
camera's next tick that is not rejected, whatever that shows, with `ended_at` = that tick: an alert
must not stay raised when no rule is left to end it. So the caller keeps a `CameraRules` for every
camera that it has a state of, also when no rule watches it any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runtime.errors import FatalError
from schemas.messages import (
    AlertRecord,
    Cleared,
    Inferred,
    Raised,
    Rejected,
    ResultRecord,
    Unchanged,
    frame_id,
    from_us,
    split_frame_id,
)
from sinks.alerts.episode import Episode, Step, Timing
from sinks.alerts.kinds import Rule, Seen, Sight, Verdict
from sinks.alerts.state import (
    CameraState,
    OpenAlert,
    RuleState,
    pack,
    pack_seen,
    unpack,
    unpack_seen,
)
from sinks.alerts.text import raised_text, seconds

WITHDRAWN_TEXT = "the rule was changed or removed"


def alert_id(rule: str, camera: str, began_us: int) -> str:
    """The same alert has the same id in every run over the same records."""
    return f"{rule}:{frame_id(camera, began_us)}"


class CameraRules:
    """All rules that watch one camera.

    `rules` may hold those of other cameras too. `state` is what `state()` gave earlier: from there
    it goes on exactly as the one that gave it. Raises FatalError for a state it can't read.
    """

    def __init__(self, camera: str, rules: Iterable[Rule], state: bytes | None = None) -> None:
        self.camera = camera
        self._watches = [_Watch(rule) for rule in rules if rule.watches(camera)]
        self._last_us: int | None = None
        self._seen: Seen | None = None
        self._withdrawn: list[OpenAlert] = []
        if state is not None:
            self._restore(unpack(state, camera))

    def take(
        self, record: ResultRecord, *, partition: int | None, offset: int, late: bool = False
    ) -> list[AlertRecord]:
        """The changes that this tick brings, in the order of the rules.

        `partition` (of all frame topics alike) goes into the alerts, for evidence to seek by.
        `late` marks them: how far the record came behind its capture time is not in the record, so
        it is for the caller to tell, by the broker's append time (`AlertsSettings.is_late`).
        `partition` and `offset` decide nothing.
        Raises ValueError for a record of another camera.
        """
        if record.camera != self.camera:
            raise ValueError(
                f"partition {partition}, offset {offset}: a record of camera {record.camera} "
                f"was given to the rules of {self.camera}"
            )
        if isinstance(record, Rejected) or self._is_repeat(record):
            return []
        self._last_us = record.captured_at_us
        sight = Sight(record.captured_at_us, record.status, self._what_is_seen(record))
        common = {
            "camera": self.camera,
            "at": record.captured_at,
            "frame": record.frame,
            "partition": partition,
            "late": late,
        }
        changes = [_withdrawal(alert, common) for alert in self._withdrawn]
        self._withdrawn = []
        changes += [change for watch in self._watches if (change := watch.take(sight, common))]
        return changes

    def state(self) -> bytes:
        """Everything that what comes next depends on; equal states are equal bytes."""
        rules = {watch.rule.name: watch.state() for watch in self._watches}
        seen = pack_seen(self._seen)
        return pack(CameraState(self.camera, self._last_us, seen, rules, self._withdrawn))

    def _restore(self, state: CameraState) -> None:
        self._last_us = state.last_us
        self._seen = unpack_seen(state.seen)
        watches = {watch.rule.name: watch for watch in self._watches}
        self._withdrawn = list(state.withdrawn)
        for name, saved in state.rules.items():
            watch = watches.get(name)
            if watch is not None and watch.definition == saved.definition:
                watch.restore(saved)
            elif saved.alert is not None:
                self._withdrawn.append(saved.alert)

    def _is_repeat(self, record: ResultRecord) -> bool:
        return self._last_us is not None and record.captured_at_us <= self._last_us

    def _what_is_seen(self, record: ResultRecord) -> Seen | None:
        if isinstance(record, Inferred):
            self._seen = Seen(record.captured_at_us, record.raw_offset, record.boxes)
            return self._seen
        if isinstance(record, Unchanged) and self._seen is not None:
            same = split_frame_id(record.same_as) == (self.camera, self._seen.captured_at_us)
            return self._seen if same else None
        return None


class _Watch:
    """One rule at work on one camera."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.definition = rule.definition()
        self._timing = Timing.of(rule)
        self._condition = rule.condition()
        self._episode = Episode()
        self._alert: OpenAlert | None = None

    def take(self, sight: Sight, common: dict[str, Any]) -> AlertRecord | None:
        verdict = self._condition.judge(sight)
        if verdict is None:
            return None
        step = self._episode.take(sight.at_us, verdict.holds, self._timing)
        if step is None:
            return None
        if step.change == "raised":
            return self._raised(step, sight, verdict, common)
        return self._cleared(step, common)

    def state(self) -> RuleState:
        return RuleState(self.definition, self._episode, self._alert, self._condition.state())

    def restore(self, state: RuleState) -> None:
        self._episode, self._alert = state.episode, state.alert
        self._condition.restore(state.condition)

    def _raised(
        self, step: Step, sight: Sight, verdict: Verdict, common: dict[str, Any]
    ) -> AlertRecord:
        rule, seen = self.rule, sight.seen
        self._alert = OpenAlert(
            rule=rule.name,
            began_us=step.began_us,
            severity=rule.severity,
            evidence_us=seen.captured_at_us if seen else None,
            raw_offset=seen.raw_offset if seen else None,
        )
        text = raised_text(
            rule.text,
            rule=rule.name,
            camera=common["camera"],
            boxes=verdict.boxes,
            held_us=sight.at_us - step.began_us,
        )
        return Raised(**_of_alert(self._alert, common), text=text, boxes=verdict.boxes)

    def _cleared(self, step: Step, common: dict[str, Any]) -> AlertRecord:
        alert, self._alert = self._alert, None
        if alert is None or step.ended_us is None:
            raise FatalError(f"rule {self.rule.name}: an alert ended that was never raised")
        text = f"ended after {seconds(step.ended_us - step.began_us)} s"
        return Cleared(**_of_alert(alert, common), text=text, ended_at=from_us(step.ended_us))


def _withdrawal(alert: OpenAlert, common: dict[str, Any]) -> AlertRecord:
    return Cleared(**_of_alert(alert, common), text=WITHDRAWN_TEXT, ended_at=common["at"])


def _of_alert(alert: OpenAlert, common: dict[str, Any]) -> dict[str, Any]:
    """What all changes of one alert have in common, with what this tick adds."""
    camera = common["camera"]
    evidence = None if alert.evidence_us is None else frame_id(camera, alert.evidence_us)
    return {
        **common,
        "id": alert_id(alert.rule, camera, alert.began_us),
        "rule": alert.rule,
        "severity": alert.severity,
        "began_at": from_us(alert.began_us),
        "evidence": evidence,
        "raw_offset": alert.raw_offset,
    }
