"""The live table: one row per camera, made to fit the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from onehertz.demo.watch import CameraView, View, percentile

# From this width on everything of a camera fits on one line; below, labels and alert take two.
WIDE_COLUMNS = 110
_LABELS_SHOWN = 2
_LABELS_SHOWN_WIDE = 4


def plain_table(title: str | None = None) -> Table:
    """A table without frame and with narrow gaps: 80 columns are few."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        header_style="bold cyan",
    )


def live_table(view: View, planned: int, phase: str, width: int) -> RenderableType:
    """The view as a table of at most `width` columns, the lag of each stage below it.

    `planned`: ticks per camera at the end. `phase`: what the demo is doing, in a few words.
    """
    wide = width >= WIDE_COLUMNS
    table = plain_table(f"onehertz demo: {phase}")
    table.add_column("camera", no_wrap=True)
    for heading in ("ticks", "kept %", "unchanged", "inferred"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("detections")  # the one that gives way where it is narrow
    table.add_column("last alert" if wide else "last\nalert", no_wrap=True)
    table.add_column("latency ms\np50/p99", justify="right", no_wrap=True)
    for name, camera in sorted(view.cameras.items()):
        table.add_row(name, *_cells(camera, planned, wide=wide))
    lags = "  ".join(f"{stage} {lag}" for stage, lag in view.lags.items()) or "not known"
    return Group(table, Text(f"lag in records: {lags}", style="dim"))


def _cells(camera: CameraView, planned: int, *, wide: bool) -> list[str]:
    kept = f"{100 * camera.inferred / camera.rows:.0f}" if camera.rows else ""
    shown = _LABELS_SHOWN_WIDE if wide else _LABELS_SHOWN
    return [
        f"{camera.rows}/{planned}",
        kept,
        str(camera.by_status.get("unchanged", 0)),
        str(camera.inferred),
        (", " if wide else "\n").join(ranked_labels(camera.labels, shown)),
        _alert_text(camera.last_alert, " " if wide else "\n"),
        latency_text(camera.latencies_ms),
    ]


def ranked_labels(labels: Mapping[str, int], shown: int) -> Sequence[str]:
    """The most frequent labels with their counts; the last one says if there are more."""
    ranked = sorted(labels.items(), key=lambda item: (-item[1], item[0]))
    texts = [f"{count} {label}" for label, count in ranked[:shown]]
    if len(ranked) > shown:
        texts[-1] += ", …"
    return texts


def latency_text(latencies_ms: Sequence[float]) -> str:
    """Median and 99th percentile in ms; empty of nothing."""
    half, most = percentile(latencies_ms, 0.5), percentile(latencies_ms, 0.99)
    return "" if half is None or most is None else f"{half:.0f}/{most:.0f}"


def _alert_text(alert: tuple[str, str, datetime] | None, between: str) -> str:
    return "" if alert is None else f"{alert[1]}{between}{alert[2]:%H:%M:%S}"
