"""What the line has done so far: read from its tables and topics, not from the roles' counters."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from onehertz.demo.lags import Lags
from sinks.sql import queries

_SQL = queries.load("demo.sql", "onehertz.demo")
_NEWEST = 2_000


@dataclass
class CameraView:
    """One camera's row of the live table."""

    by_status: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    last_alert: tuple[str, str, datetime] | None = None  # rule, change, capture time
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())

    @property
    def inferred(self) -> int:
        return self.by_status.get("inferred", 0)


@dataclass
class View:
    """Everything that the live table shows."""

    cameras: dict[str, CameraView]
    lags: dict[str, int]  # by stage: records between its committed offsets and the topic's end
    first_detection_at: datetime | None = None  # when the first one was in the database

    @property
    def rows(self) -> int:
        return sum(camera.rows for camera in self.cameras.values())

    @property
    def detections(self) -> int:
        return sum(sum(camera.labels.values()) for camera in self.cameras.values())

    def latencies_ms(self) -> list[float]:
        return [one for camera in self.cameras.values() for one in camera.latencies_ms]


def percentile(values: Iterable[float], share: float) -> float | None:
    """The nearest-rank percentile: the least value that at least `share` of all don't exceed.

    None of nothing.
    """
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else None


class Watcher:
    """Looks at the line of these cameras, in its database and at its offsets."""

    def __init__(self, cameras: Iterable[str], connection: psycopg.Connection, lags: Lags) -> None:
        self._cameras = list(cameras)
        self._connection = connection
        self._lags = lags
        self._first_detection_at: datetime | None = None

    def view(self) -> View:
        """How the line is now."""
        cameras = {name: CameraView() for name in self._cameras}
        found: dict[str, CameraView] = defaultdict(CameraView, cameras)
        for camera, status, count in self._ask("counts"):
            found[camera].by_status[status] = count
        for camera, label, count in self._ask("labels"):
            found[camera].labels[label] = count
        for camera, rule, change, at in self._ask("last_alerts"):
            found[camera].last_alert = (rule, change, at)
        for camera, latency_ms in self._ask("latencies", newest=_NEWEST):
            found[camera].latencies_ms.append(latency_ms)
        if self._first_detection_at is None:
            self._first_detection_at = self._ask("first_detection")[0][0]
        return View(dict(found), self._lags.latest(), self._first_detection_at)

    def alert_changes(self) -> dict[str, int]:
        """How many alerts were raised, updated, cleared."""
        return dict(self._ask("alert_changes"))

    def _ask(self, name: str, **parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(_SQL[name], parameters).fetchall()
