"""What came of a demo: counted from the topics and tables, and what the gate saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from onehertz.demo.watch import View, percentile
from onehertz.settings import Settings
from runtime.kafka import reader, received
from runtime.reading import read_all
from schemas.codec import Received

STATUSES = ("inferred", "unchanged", "rejected", "missing")


@dataclass(frozen=True)
class Saving:
    """CPU that inferring every frame would have cost more; all terms measured in this run.

    saved per tick = share not inferred x CPU of an inference - CPU of the gate on a tick

    The gate looks at every tick, so its cost is not multiplied with the share.
    """

    ticks: int
    inferred: int
    inference_cpu_s: float  # of the worker's process, between its readiness and the end
    gate_cpu_s: float  # of the gate's process, likewise

    @property
    def share_not_inferred(self) -> float:
        return 1 - self.inferred / self.ticks

    @property
    def inference_ms(self) -> float:
        """CPU milliseconds of one inference, with decoding and publishing."""
        return 1000 * self.inference_cpu_s / self.inferred

    @property
    def gate_ms(self) -> float:
        """CPU milliseconds of the gate on one tick, with its share of Kafka."""
        return 1000 * self.gate_cpu_s / self.ticks

    @property
    def saved_ms_per_tick(self) -> float:
        return self.share_not_inferred * self.inference_ms - self.gate_ms


@dataclass(frozen=True)
class Outcome:
    """The end of a demo."""

    captured: dict[str, int]  # ticks by camera, counted on frames-raw
    view: View
    alert_changes: dict[str, int]
    saving: Saving | None  # None: a role was restarted, so its CPU time is not known
    first_detection_s: float | None = None  # after the command was started

    @property
    def is_empty(self) -> bool:
        """Whether there is no tick at all: somebody was quick with Ctrl-C."""
        return not any(self.captured.values()) and not self.view.rows

    @property
    def is_equal(self) -> bool:
        """Whether there are ticks, each has exactly one row, and there is no other row."""
        rows = {name: camera.rows for name, camera in self.view.cameras.items() if camera.rows}
        return bool(rows) and rows == {name: n for name, n in self.captured.items() if n}

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints: an interface."""
        cameras = {}
        labels: Counter[str] = Counter()
        for name, camera in sorted(self.view.cameras.items()):
            cameras[name] = {"captured": self.captured.get(name, 0), "rows": camera.rows}
            cameras[name] |= {status: camera.by_status.get(status, 0) for status in STATUSES}
            labels.update(camera.labels)
        latencies_ms = self.view.latencies_ms()
        return {
            "cameras": cameras,
            "detections": dict(labels.most_common()),
            "alerts": {name: self.alert_changes.get(name, 0) for name in ("raised", "cleared")},
            "latency_ms": {
                "p50": _rounded(percentile(latencies_ms, 0.5)),
                "p99": _rounded(percentile(latencies_ms, 0.99)),
            },
            "equal": self.is_equal,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def count_captured(settings: Settings) -> dict[str, int]:
    """Distinct ticks of each camera on frames-raw, by their identity header alone."""
    seen: dict[str, set[bytes]] = {}
    for raw in _read_topic(settings, "frames-raw"):
        frame = dict(raw.headers or ()).get("ce_frame") or b""
        seen.setdefault(str(raw.key or b"", "utf-8", "replace"), set()).add(frame)
    return {camera: len(frames) for camera, frames in seen.items()}


def count_alert_changes(settings: Settings) -> int:
    """Distinct changes of alerts on the alerts topic."""
    return len({dict(raw.headers or ()).get("ce_id") for raw in _read_topic(settings, "alerts")})


def _read_topic(settings: Settings, name: str) -> Iterator[Received]:
    consumer = reader(settings.kafka)
    try:
        for partition in range(settings.line.partitions):
            for message in read_all(consumer, settings.line.topic(name), partition):
                yield received(message)
    finally:
        consumer.close()
