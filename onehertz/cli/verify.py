"""`onehertz verify`: whether what always holds, holds."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table

from onehertz.cli.options import with_settings
from onehertz.settings import Settings
from onehertz.verify import Report, verify_line
from runtime.lifecycle import EXIT_FAILED

_SHOWN = 20


@click.command(epilog="Example: onehertz verify --wait 60 --json")
@with_settings
@click.option(
    "--wait", "wait_s", type=click.FloatRange(min=0), default=10.0, show_default=True,
    metavar="SECONDS", help="How long stages that are behind may take to finish first.",
)  # fmt: skip
@click.option(
    "--last", "last_hours", type=click.FloatRange(min=0, min_open=True), metavar="HOURS",
    help="Judge only what the broker took in within the last HOURS; default: all that it keeps.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; details on stderr.")
def verify(settings: Settings, wait_s: float, last_hours: float | None, as_json: bool) -> None:
    """Read topics and tables, and say whether each tick has come to its one row, in order.

    Believes no stage's counter and changes nothing. Exit code 0: all holds; 1: it does not, or the
    line has not drained. --json prints ticks, rows, lost, twice, out_of_order, unexplained, ok.
    """
    details = Console(stderr=True, soft_wrap=True, highlight=False)
    with details.status("reading") as status:
        report = verify_line(
            settings.kafka,
            settings.line,
            settings.sql,
            wait_s=wait_s,
            last_hours=last_hours,
            tell=status.update,
        )
    if as_json:
        click.echo(json.dumps(report.as_json()))
    show(report, details if as_json else Console(soft_wrap=True, highlight=False))
    if not report.ok:
        raise click.exceptions.Exit(EXIT_FAILED)


def show(report: Report, console: Console) -> None:
    """The report for people: what was read, the counts, the first findings."""
    read = Table("topic", "messages", "beginning", box=None, pad_edge=False)
    for topic, one in sorted(report.read.items()):
        cut = f"cut off on {one.partitions_cut} partitions" if one.partitions_cut else "whole"
        read.add_row(topic, f"{one.messages:,}", cut)
    console.print(read)
    console.print()
    counts = Table(box=None, pad_edge=False)
    values = report.as_json()
    for name in values:
        counts.add_column(name, justify="right")
    counts.add_row(*(_text(value) for value in values.values()))
    console.print(counts)
    for line in remarks(report):
        console.print(line, markup=False)
    shown = report.findings.first(_SHOWN)
    for finding in shown:
        console.print(f"{finding.kind}: {finding.what}  [{finding.look}]", markup=False)
    left = sum(report.findings.counts.values()) - len(shown)
    if shown and left > 0:
        console.print(f"… {left} more contradictions")


def remarks(report: Report) -> list[str]:
    """What the counts alone don't say."""
    lines = []
    if report.in_flight:
        lines.append(f"{report.in_flight} in flight: not there yet, and no stage has passed them")
    if report.waiting_for:
        lines.append(
            f"the stage '{report.waiting_for}' had not reached its end: is it running? "
            "--wait SECONDS gives it more time"
        )
    if report.older_rows:
        lines.append(f"{report.older_rows} more rows are of ticks that frames-raw no longer has")
    return lines


def _text(value: bool | int) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:,}"
