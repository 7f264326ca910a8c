"""The end of a demo for people: what came of it, what it saved, what SQL says, where to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from rich.console import Console

from onehertz.demo.outcome import STATUSES, Outcome, Saving
from onehertz.demo.table import latency_text, plain_table, ranked_labels
from sinks.sql import queries

_SQL = queries.load("demo.sql", "onehertz.demo")
_QUERIES = {
    "dwell": "How long was somebody there? (unchanged seconds count, unknown ones are not 0)",
    "alarms": "Which alerts were raised, and how long did they last?",
    "audited": "What did the gate drop, and what did its own random checks find?",
}
_LABELS_SHOWN = 4


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Counts per camera, whether they add up, and the saving."""
    table = plain_table("What came of it, in ticks")
    table.add_column("camera", no_wrap=True)
    for heading in ("captured", "rows", *STATUSES):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("latency ms\np50/p99", justify="right", no_wrap=True)
    for name, camera in sorted(outcome.view.cameras.items()):
        counts = [camera.by_status.get(status, 0) for status in STATUSES]
        table.add_row(
            name,
            *map(str, (outcome.captured.get(name, 0), camera.rows, *counts)),
            latency_text(camera.latencies_ms),
        )
    console.print()
    console.print(table)
    console.print()
    for line in outcome_lines(outcome):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def outcome_lines(outcome: Outcome) -> list[str]:
    """What the table of counts does not say."""
    if outcome.is_empty:
        return ["No tick was captured"]
    equal = "yes" if outcome.is_equal else "NO; 'onehertz verify' says what is missing"
    lines = [f"Has every captured tick exactly one row? {equal}"]
    for name, camera in sorted(outcome.view.cameras.items()):
        if camera.labels:
            lines.append(
                f"Seen by {name}: {', '.join(ranked_labels(camera.labels, _LABELS_SHOWN))}"
            )
    raised, cleared = (outcome.alert_changes.get(change, 0) for change in ("raised", "cleared"))
    lines.append(f"Alerts: {raised} raised, {cleared} cleared")
    if outcome.first_detection_s is not None:
        lines.append(
            f"First detection in the database: {outcome.first_detection_s:.1f} s after the start "
            "of the command"
        )
    return lines + saving_lines(outcome.saving)


def saving_lines(saving: Saving | None) -> list[str]:
    """The saving with each of its terms."""
    if saving is None:
        return ["Saving: not measured, because gate or worker was started again in mid-run"]
    if not saving.ticks or not saving.inferred:
        return ["Saving: nothing was inferred, so there is nothing to compare"]
    return [
        f"Inferences saved: {saving.ticks - saving.inferred} of {saving.ticks}",
        f"CPU saved per tick: {saving.saved_ms_per_tick:.1f} ms"
        f" = {100 * saving.share_not_inferred:.1f} % not inferred"
        f" x {saving.inference_ms:.1f} ms per inference",
        f"    - {saving.gate_ms:.1f} ms of gate per tick (CPU times of this run's processes)",
    ]


def print_queries(console: Console, connection: psycopg.Connection) -> None:
    """Three questions in SQL, with their answers."""
    for name, title in _QUERIES.items():
        console.print(f"\n[bold]{title}[/bold]", highlight=False)
        query = _SQL[name].decode()
        console.print(query, style="dim", markup=False, highlight=False, soft_wrap=True)
        cursor = connection.execute(_SQL[name])
        names = [column.name for column in cursor.description or ()]
        print_rows(console, names, cursor.fetchall())


def print_rows(console: Console, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A query's answer."""
    table = plain_table()
    for number, name in enumerate(names):
        numeric = bool(rows) and not isinstance(rows[0][number], str)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)
    if not rows:
        console.print("(no rows)", style="dim")


def print_where_to_look(
    console: Console, pictures: Mapping[str, Path], commands: Sequence[str], *, up: bool
) -> None:
    """Snapshots, and how to go on from here. `up`: whether the servers still run."""

    def line(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    console.print("\n[bold]The best frame of each camera, with its boxes[/bold]")
    for path in pictures.values():
        line(f"  {path}")
    if up:
        console.print("\n[bold]Kafka and PostgreSQL are still up; look around[/bold]")
    else:
        console.print("\n[bold]All data are still there, until the next demo; look around[/bold]")
    for command in commands:
        line(f"  {command}")
