"""`onehertz landed`: what has become of the videos that landed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.table import Table

from onehertz.cli.options import with_settings
from onehertz.settings import Settings
from producers.landed.ledger import Entry, read_ledger, retry_file
from runtime.errors import UserError
from schemas.headers import time_text

_STATES = ("waiting", "begun", "done", "aside")


@click.group()
def landed() -> None:
    """Videos that landed in a folder or a bucket: played, waiting, set aside."""


@landed.command("list", epilog="Example: onehertz landed list --status aside")
@with_settings
@click.option("--camera", help="Only of this camera.")
@click.option("--status", type=click.Choice(_STATES), help="Only in this state.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file.")
def list_command(settings: Settings, camera: str | None, status: str | None, as_json: bool) -> None:
    """Show each file, and why one was set aside.

    Files that have been moved or deleted are not kept in mind.
    """
    rows = [
        _row(name, entry)
        for name, entries in read_ledger(settings.produce.ledger).items()
        for entry in entries
        if camera in (None, name) and status in (None, entry.status)
    ]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("camera", "file", "status", "begins at", "ticks", "reason"):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell or "") for cell in row.values()))
    Console().print(table if rows else "no landed files are known")


@landed.command(epilog="Example: onehertz landed retry door 2026-03-01_12-00-00.mp4")
@with_settings
@click.argument("camera")
@click.argument("files", nargs=-1, required=True)
def retry(settings: Settings, camera: str, files: tuple[str, ...]) -> None:
    """Look at files again that were set aside; a running producer does it at its next look."""
    for name in files:
        if not retry_file(settings.produce.ledger, camera, name):
            raise UserError(
                f"{camera}: {name} is not set aside: onehertz landed list --status aside"
            )
        click.echo(f"{camera}: {name} will be looked at again")


def _row(camera: str, entry: Entry) -> dict[str, str | int | None]:
    begins = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=entry.start_us)
    return {
        "camera": camera,
        "file": entry.found.name,
        "status": entry.status,
        "begins_at": time_text(begins) if entry.start_us else None,
        "ticks": entry.last_seq + 1,
        "reason": entry.reason or None,
    }
