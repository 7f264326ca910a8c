"""What the demo plays: cameras, rules and settings as one configuration. Values only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from onehertz.stack.status import Endpoints
from runtime.errors import UserError
from schemas.messages import from_us

STREET = "street"
STREET_IS_EMPTY_UNTIL_S = 67  # of this seed; then somebody comes by, and later a car
PARTITIONS = 8
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # an earlier capture time is taken for a broken clock


@dataclass(frozen=True)
class Plan:
    """How long the demo plays, how fast, and from when its capture times are."""

    seconds: int  # of real time that the cameras are played
    speed: float  # times real time
    start_at: datetime

    @property
    def media_s(self) -> int:
        """Media seconds that every camera gives: at 1 Hz as many ticks."""
        return round(self.seconds * self.speed)


def plan(seconds: int, speed: float, now_us: int, start_at: datetime | None = None) -> Plan:
    """A plan from `start_at`; without one, its last tick was captured about now.

    Capture times begin on a whole second. Raises UserError for a start from which the line would
    take the ticks for those of a broken clock.
    """
    media = timedelta(seconds=round(seconds * speed))
    latest = from_us((now_us // 1_000_000) * 1_000_000) - media
    if start_at is None:
        return Plan(seconds, speed, latest)
    if not _EARLIEST <= start_at <= latest:
        raise UserError(
            f"--start-at {start_at.isoformat()}: must be at least {media.total_seconds():.0f} s "
            "ago (that is what is played), and after the year 1999"
        )
    return Plan(seconds, speed, start_at.replace(microsecond=0))


def cameras(played: Plan, clips: Mapping[str, Path]) -> dict[str, Any]:
    """The cameras of the demo, of those whose clips are there. The street needs none."""
    sources: dict[str, dict[str, Any]] = {}
    if "vtest" in clips:
        path = str(clips["vtest"])
        sources["campus"] = {"kind": "video", "path": path}
        # Its least busy seconds: two or three people, by its annotated boxes.
        sources["campus-quiet"] = {"kind": "video", "path": path, "start_s": 40, "stop_s": 48}
    if "tree" in clips:
        # Later on a hand fills the picture.
        sources["tree"] = {"kind": "video", "path": str(clips["tree"]), "stop_s": 22}
    sources[STREET] = {"kind": "street", "seed": 8, "activity": 0.5}
    return {
        name: {
            "source": source,
            "start_at": played.start_at.astimezone(UTC).isoformat(),
            "speed": played.speed,
            "loop": 1 if source["kind"] == "street" else 0,
            "stop_after_s": played.media_s,
        }
        for name, source in sources.items()
    }


# Corners in fractions of the campus clip's picture. In both, somebody comes and goes again.
_CAR_PARK = [[0.75, 0.0], [1.0, 0.0], [1.0, 0.333], [0.75, 0.333]]
_LAWN = [[0.125, 0.667], [0.5, 0.667], [0.5, 1.0], [0.125, 1.0]]


def rules(present: Collection[str]) -> list[dict[str, Any]]:
    """Alert rules for the cameras that are there."""
    wanted = [
        ("person-at-the-car-park", "campus", _CAR_PARK),
        ("person-on-the-lawn", "campus", _LAWN),
        ("person-in-the-street", STREET, None),
    ]
    return [
        {
            "name": name,
            "kind": "presence",
            "cameras": [camera],
            "labels": ["person"],
            "min_confidence": 0.4,
            "for_s": 2,
            "severity": "info",
        }
        | ({"zone": {"points": zone}} if zone else {})
        for name, camera, zone in wanted
        if camera in present
    ]


def configuration(
    played: Plan, clips: Mapping[str, Path], endpoints: Endpoints, prefix: str, dsn: str
) -> dict[str, Any]:
    """The content of the demo's `onehertz.yaml`."""
    present = cameras(played, clips)
    return {
        "line": {"prefix": prefix, "partitions": PARTITIONS},
        # A role that is killed is back in seconds: somebody watches.
        "kafka": {"bootstrap_servers": endpoints.bootstrap_servers, "session_timeout_ms": 6000},
        # The lag is counted from it.
        "checkpoint": {"snapshot_interval_s": 1.0, "snapshot_share": 100.0},
        "sql": {"dsn": dsn, "batch_wait_ms": 200},
        # Every batch size is tried out before the model serves; four cameras fill no larger one.
        "infer": {"max_wait_ms": 100, "max_batch": 4},
        "cameras": present,
        "rules": rules(present),
    }
