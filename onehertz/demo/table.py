"""The live table: one row per camera."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from onehertz.demo.watch import CameraView, View, percentile

_LABELS_SHOWN = 3


def live_table(view: View, planned: int, notes: list[str]) -> RenderableType:
    """The view as a table, with the lag of each stage and the last notes below it.

    `planned`: ticks per camera at the end.
    """
    table = Table(expand=False, pad_edge=False, title="onehertz demo", title_justify="left")
    table.add_column("camera", no_wrap=True)
    for heading in ("ticks", "kept", "unchanged", "inferred"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("detections", min_width=18)
    table.add_column("last alert")
    table.add_column("latency p50/p99", justify="right", no_wrap=True)
    for name, camera in sorted(view.cameras.items()):
        table.add_row(name, *_cells(camera, planned))
    lags = "  ".join(f"{stage} {lag}" for stage, lag in view.lags.items()) or "?"
    return Group(table, Text(f"waiting before each stage: {lags}", style="dim"), *notes[-3:])


def _cells(camera: CameraView, planned: int) -> list[str]:
    kept = f"{100 * camera.inferred / camera.rows:.0f} %" if camera.rows else ""
    return [
        f"{camera.rows}/{planned}",
        kept,
        str(camera.by_status.get("unchanged", 0)),
        str(camera.inferred),
        label_text(camera.labels),
        _alert_text(camera.last_alert),
        latency_text(camera.latencies_ms),
    ]


def label_text(labels: Mapping[str, int]) -> str:
    """The most frequent labels with their counts."""
    ranked = sorted(labels.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{count} {label}" for label, count in ranked[:_LABELS_SHOWN])
    return shown + (", …" if len(ranked) > _LABELS_SHOWN else "")


def latency_text(latencies_ms: list[float]) -> str:
    half, most = percentile(latencies_ms, 0.5), percentile(latencies_ms, 0.99)
    return "" if half is None or most is None else f"{half:.0f} / {most:.0f} ms"


def _alert_text(alert: tuple[str, str, datetime] | None) -> str:
    return "" if alert is None else f"{alert[1]} {alert[2]:%H:%M:%S}"
