"""`onehertz demo`: the whole line on the embedded stack, with real video, live."""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from onehertz.assets.progress import RichProgress
from onehertz.demo.interruption import Interrupted, Interruption
from onehertz.demo.report import print_outcome, print_queries, print_where_to_look
from onehertz.demo.run import Ended, Wish, run
from onehertz.demo.screen import Screen
from onehertz.processes import age_s
from onehertz.stack import postgres_programs
from onehertz.stack.stack import DEFAULT_FOLDER
from runtime.environment import CONFIG
from runtime.errors import UserError
from runtime.lifecycle import EXIT_FAILED


def _instant(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> datetime | None:
    if value is None:
        return None
    try:
        given = datetime.fromisoformat(value)
    except ValueError:
        raise UserError(
            f"--start-at {value}: expected a time such as 2026-11-01T12:00:00Z"
        ) from None
    return given.replace(tzinfo=given.tzinfo or UTC)


@click.command(epilog="Example: onehertz demo --seconds 45 --json")
@click.option("--seconds", type=click.IntRange(5, 3600), default=45, show_default=True,
              help="Real time that the cameras are played for.")  # fmt: skip
@click.option("--speed", type=click.FloatRange(0.1, 50), default=4.0, show_default=True,
              help="Times real time.")  # fmt: skip
@click.option("--start-at", callback=_instant, metavar="TIME",
              help="Capture time of the first tick (UTC, or with its offset). The same one gives "
              "the same rows again. Default: so that the last tick is of about now.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Leave Kafka and PostgreSQL running at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
def demo(seconds: int, speed: float, start_at: datetime | None, keep: bool, as_json: bool) -> None:
    """The whole line on this machine: real video, Kafka, detector and PostgreSQL.

    Four cameras are played through the five roles, each a process of its own; a role that dies is
    started again. Ctrl-C ends the cameras early and reports what there is; a second one stops
    everything at once. Kafka and PostgreSQL are stopped at the end, unless they ran before or
    --keep is given. A demo that is killed takes its roles along, and leaves the two servers up:
    'onehertz down' stops them.

    Exit code 1 if a captured tick has not exactly one row, 130 after Ctrl-C.
    """
    console = Console(stderr=as_json)
    screen = Screen(console, age_s, live=console.is_terminal and not as_json)
    interruption = Interruption()

    def report(ended: Ended) -> None:
        if as_json:
            click.echo(json.dumps(ended.outcome.as_json()))
            return
        print_outcome(console, ended.outcome)
        print_queries(console, ended.connection)
        print_where_to_look(console, ended.pictures, _commands(ended), up=ended.servers_stay_up)
        console.print()

    try:
        outcome = run(
            Wish(seconds, speed, start_at, keep),
            DEFAULT_FOLDER,
            screen,
            RichProgress(console),
            interruption,
            report,
        )
    except Interrupted:
        screen.say("stopped at once: nothing is reported")
        raise click.exceptions.Exit(interruption.exit_code) from None
    if interruption.requested:
        raise click.exceptions.Exit(interruption.exit_code)
    if not outcome.is_equal:
        raise click.exceptions.Exit(EXIT_FAILED)


def _commands(ended: Ended) -> list[str]:
    """What to type to look around, as it has to be typed here."""
    onehertz = _as_typed(Path(sys.argv[0]))
    psql = shutil.which("psql") or _as_typed(postgres_programs.find_binaries() / "psql")
    return [
        *([] if ended.servers_stay_up else [f"{onehertz} up"]),
        f"export {CONFIG}={ended.config}",
        f"{onehertz} verify",
        f"{onehertz} alerts tail --from-beginning",
        f"{onehertz} detections tail --from-beginning --camera campus",
        f"{psql} '{ended.dsn}'",
        f"{onehertz} down",
    ]


def _as_typed(program: Path) -> str:
    if program.name == "__main__.py":
        return "python -m onehertz"
    if (found := shutil.which(program.name)) and Path(found).samefile(program):
        return program.name
    return os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program)
