"""Short ways to write `detections` records and rules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.messages import (
    AlertRecord,
    Box,
    Cleared,
    Inferred,
    Missing,
    Rejected,
    RejectReason,
    ResultRecord,
    Unchanged,
    frame_id,
    to_us,
)
from sinks.alerts.engine import CameraRules
from sinks.alerts.kinds import Rule
from sinks.alerts.kinds.presence import PresenceRule

CAMERA = "yard"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def moment(second: float) -> datetime:
    return START + timedelta(seconds=second)


def _tick(second: float, camera: str) -> dict[str, Any]:
    return {"camera": camera, "captured_at": moment(second), "run": "r", "seq": 0}


def box(label: str = "person", score: float = 0.9, x: float = 0.5, feet: float = 0.8) -> Box:
    return Box(label=label, score=score, x1=x - 0.05, y1=feet - 0.2, x2=x + 0.05, y2=feet)


def inferred(second: float, *boxes: Box, camera: str = CAMERA, offset: int = 7) -> ResultRecord:
    return Inferred(
        **_tick(second, camera), model="m", boxes=boxes, because="changed", raw_offset=offset
    )


def person(second: float) -> ResultRecord:
    return inferred(second, box())


def nobody(second: float) -> ResultRecord:
    return inferred(second)


def unchanged(second: float, same_as: float, camera: str = CAMERA) -> ResultRecord:
    return Unchanged(**_tick(second, camera), same_as=frame_id(camera, to_us(moment(same_as))))


def missing(second: float) -> ResultRecord:
    return Missing(**_tick(second, CAMERA), reason="unreachable")


def rejected(second: float, reason: RejectReason = "undecodable") -> ResultRecord:
    return Rejected(**_tick(second, CAMERA), reason=reason)


def presence(**settings: Any) -> Rule:
    """A rule without hysteresis, unless told otherwise."""
    defaults = {"name": "person", "kind": "presence", "cameras": ["yard"], "labels": ["person"]}
    return PresenceRule.model_validate(defaults | {"for_s": 3, "clear_after_s": 0} | settings)


def run(rules: Iterable[Rule], records: Iterable[ResultRecord]) -> list[AlertRecord]:
    return feed(CameraRules(CAMERA, rules), records)


def feed(engine: CameraRules, records: Iterable[ResultRecord]) -> list[AlertRecord]:
    return [
        change
        for offset, record in enumerate(records)
        for change in engine.take(record, partition=3, offset=offset)
    ]


def story(changes: Iterable[AlertRecord]) -> list[tuple[str, float, float]]:
    """Per change: what, at which second, and when the alert began (raised) or ended (cleared)."""
    told = []
    for change in changes:
        other = change.ended_at if isinstance(change, Cleared) else change.began_at
        kind = type(change).__name__.lower()
        told.append((kind, _second(change.at), _second(other)))
    return told


def _second(at: datetime) -> float:
    return (at - START).total_seconds()
