"""`onehertz demo`: the whole line on the embedded stack, with real video, live."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import psycopg
from rich.console import Console
from rich.live import Live

from onehertz.assets.progress import RichProgress
from onehertz.demo import run
from onehertz.demo.outcome import Outcome
from onehertz.demo.pictures import save_best_frames
from onehertz.demo.report import print_outcome, print_queries, print_where_to_look
from onehertz.demo.table import live_table
from onehertz.demo.watch import Watcher
from onehertz.stack.stack import DEFAULT_FOLDER
from runtime.lifecycle import EXIT_FAILED

FOLDER = Path(".onehertz/demo")
_LOOK_EVERY_S = 1.0
_LINE_EVERY_S = 10.0


class _Screen:
    """The live table on a terminal; elsewhere a line every few seconds."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self._console = console
        self._live = live
        self._line_at_s = 0.0
        self.notes: list[str] = []

    def say(self, line: str) -> None:
        if self._live is None:
            self._console.print(line, soft_wrap=True, highlight=False, markup=False)
        else:
            self.notes.append(line)

    def show(self, watcher: Watcher, planned: int) -> None:
        began_s = time.monotonic()
        view = watcher.view()
        if self._live is not None:
            self._live.update(live_table(view, planned, self.notes), refresh=True)
        elif began_s - self._line_at_s >= _LINE_EVERY_S:
            self._line_at_s = began_s
            total = planned * len(view.cameras)
            self.say(f"{view.rows}/{total} rows, {view.detections} detections, lag {view.lags}")
        time.sleep(max(0.0, _LOOK_EVERY_S - (time.monotonic() - began_s)))


@click.command(epilog="Example: onehertz demo --seconds 45 --json")
@click.option("--seconds", type=click.IntRange(5, 3600), default=45, show_default=True,
              help="Real time that the cameras are played for.")  # fmt: skip
@click.option("--speed", type=click.FloatRange(0.1, 50), default=4.0, show_default=True,
              help="Times real time.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Leave Kafka and PostgreSQL running at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
def demo(seconds: int, speed: float, keep: bool, as_json: bool) -> None:
    """The whole line on this machine: real video, Kafka, detector and PostgreSQL.

    Exit code 1 if a captured tick has not exactly one row.
    """
    console = Console(stderr=as_json)
    screen = _Screen(console, None)
    clips = run.fetch_assets(screen.say, RichProgress(Console(stderr=True)))
    stack = run.stack_in(DEFAULT_FOLDER, screen.say)
    endpoints = stack.up()
    try:
        settings, played, config = run.prepare(FOLDER, endpoints, clips, seconds, speed)
        screen.say(
            f"{len(settings.cameras)} cameras, {played.media_s} ticks each, {speed:g} times real "
            f"time; logs in {FOLDER / 'logs'}"
        )
        with psycopg.connect(settings.sql.conninfo(), autocommit=True) as connection:
            supervisor = run.supervisor(config, FOLDER / "logs", screen.say)
            running = run.Running(
                settings, played, connection, Watcher(settings, connection), supervisor
            )
            outcome = _play(running, screen, console, as_json)
            pictures = save_best_frames(settings, connection, FOLDER / "snapshots")
            if as_json:
                sys.stdout.write(json.dumps(outcome.as_json()) + "\n")
            else:
                print_outcome(console, outcome)
                print_queries(console, connection)
                print_where_to_look(console, pictures, config, kept_up=keep)
    finally:
        if not keep:
            stack.down()
    if not outcome.is_equal:
        raise click.exceptions.Exit(EXIT_FAILED)


def _play(running: run.Running, screen: _Screen, console: Console, as_json: bool) -> Outcome:
    screen.say("starting the roles: gate, infer, sink sql, sink alerts")
    try:
        running.supervisor.start(run.CONSUMERS)
        with _live(screen, console, wanted=console.is_terminal and not as_json):
            return run.play(running, screen, screen.say)
    finally:
        running.supervisor.stop()


@contextmanager
def _live(screen: _Screen, console: Console, *, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    with Live(console=console, auto_refresh=False) as live:
        screen._live = live
        try:
            yield
        finally:
            screen._live = None
