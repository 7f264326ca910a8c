"""What the line has done so far: read from its tables and topics, not from the roles' counters."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from onehertz.settings import Settings
from runtime.kafka import admin_client
from sinks.sql import queries

_SQL = queries.load("demo.sql", "onehertz.demo")
_NEWEST = 2_000
_REQUEST_S = 10.0
# stage → its input topic, and how many offsets at each partition's end are no records: the gate's
# output ends with the marker of its last transaction
STAGES = {
    "gate": ("frames-raw", 0),
    "infer": ("frames-gated", 1),
    "sql": ("detections", 0),
    "alerts": ("detections", 0),
}


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
    """Looks at the line of `settings` through connections of its own."""

    def __init__(self, settings: Settings, connection: psycopg.Connection) -> None:
        self._settings = settings
        self._connection = connection
        self._admin = admin_client(settings.kafka)
        self._first_detection_at: datetime | None = None

    def view(self) -> View:
        """How the line is now."""
        cameras = {name: CameraView() for name in self._settings.cameras}
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
        return View(dict(found), self.lags(), self._first_detection_at)

    def alert_changes(self) -> dict[str, int]:
        """How many alerts were raised, updated, cleared."""
        return dict(self._ask("alert_changes"))

    def lags(self) -> dict[str, int]:
        """Records between each stage's committed offsets and the end of its input."""
        try:
            return {stage: self._lag(stage, *where) for stage, where in STAGES.items()}
        except KafkaException:
            return {}  # the table goes on without them

    def _lag(self, role: str, topic: str, markers: int) -> int:
        line = self._settings.line
        places = [TopicPartition(line.topic(topic), n) for n in range(line.partitions)]
        ends = _ends(self._admin, places)
        group = line.group(role)
        request = [ConsumerGroupTopicPartitions(group, places)]
        answer = self._admin.list_consumer_group_offsets(request, request_timeout=_REQUEST_S)
        done = {p.partition: p.offset for p in answer[group].result().topic_partitions or ()}
        return sum(
            max(0, end - markers - max(0, done.get(number, 0))) for number, end in ends.items()
        )

    def _ask(self, name: str, **parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(_SQL[name], parameters).fetchall()


def _ends(admin: AdminClient, places: list[TopicPartition]) -> dict[int, int]:
    request = {place: OffsetSpec.latest() for place in places}
    futures = admin.list_offsets(request, request_timeout=_REQUEST_S)
    return {place.partition: future.result().offset for place, future in futures.items()}
