"""The end of a demo for people: what came of it, what it saved, what SQL says, where to look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from onehertz.demo.outcome import STATUSES, Outcome, Saving
from onehertz.demo.table import label_text, latency_text
from sinks.sql import queries

_SQL = queries.load("demo.sql", "onehertz.demo")
_QUERIES = {
    "busiest": "The busiest minutes",
    "dwell": "How long was somebody there? (unchanged seconds count, unknown ones are not 0)",
    "saved": "What the gate did, and what its audit found",
}


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Counts per camera, whether they add up, and the saving."""
    table = Table(title="What came of it", title_justify="left", pad_edge=False)
    table.add_column("camera")
    for heading in ("captured", "rows", *STATUSES):
        table.add_column(heading, justify="right")
    table.add_column("detections")
    table.add_column("latency p50/p99", justify="right")
    for name, camera in sorted(outcome.view.cameras.items()):
        counts = [camera.by_status.get(status, 0) for status in STATUSES]
        table.add_row(
            name,
            *map(str, (outcome.captured.get(name, 0), camera.rows, *counts)),
            label_text(camera.labels),
            latency_text(camera.latencies_ms),
        )
    console.print(table)
    equal = "yes" if outcome.is_equal else "NO: ask 'onehertz verify'"
    changes = outcome.alert_changes
    console.print(f"every captured tick has exactly one row: {equal}")
    raised, cleared = changes.get("raised", 0), changes.get("cleared", 0)
    console.print(f"alerts: {raised} raised, {cleared} cleared")
    console.print(saving_text(outcome.saving), soft_wrap=True)


def saving_text(saving: Saving | None) -> str:
    """The saving with each of its terms."""
    if saving is None:
        return "saving: not measured, because a role was started again in mid-run"
    if not saving.ticks or not saving.inferred:
        return "saving: nothing was inferred, so there is nothing to compare"
    return (
        f"inferences saved: {saving.ticks - saving.inferred} of {saving.ticks}\n"
        f"CPU saved per tick: {100 * saving.share_not_inferred:.1f} % not inferred x "
        f"{saving.inference_ms:.1f} ms per inference - {saving.gate_ms:.1f} ms of gate = "
        f"{saving.saved_ms_per_tick:.1f} ms (CPU times of this run's processes)"
    )


def print_queries(console: Console, connection: psycopg.Connection) -> None:
    """Three questions in SQL, with their answers."""
    for name, title in _QUERIES.items():
        console.print(f"\n[bold]{title}[/bold]")
        console.print(_SQL[name].decode(), style="dim", markup=False, highlight=False)
        cursor = connection.execute(_SQL[name])
        table = Table(pad_edge=False)
        for column in cursor.description or ():
            table.add_column(column.name)
        for row in cursor:
            table.add_row(*map(str, row))
        console.print(table)


def print_where_to_look(
    console: Console, pictures: Mapping[str, Path], config: Path, *, kept_up: bool
) -> None:
    """Snapshots, and how to go on from here."""
    console.print("\n[bold]The best frame of each camera, annotated[/bold]")
    for path in pictures.values():
        console.print(f"  {path}", soft_wrap=True)
    if kept_up:
        console.print("\n[bold]The stack is still up; look around[/bold]")
        for command in ("verify", "alerts tail --from-beginning", "detections tail"):
            console.print(f"  onehertz {command} --config {config}", soft_wrap=True)
        console.print("  onehertz down", soft_wrap=True)
    else:
        console.print(
            "\nThe stack was stopped. To keep it up and look around: make demo ARGS=--keep"
        )
