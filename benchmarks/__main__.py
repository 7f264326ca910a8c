"""The command line of the benchmarks."""

from __future__ import annotations

import importlib
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich.console import Console

from benchmarks import spool
from benchmarks.method import report, results
from benchmarks.method.results import Result, Run
from benchmarks.method.site import Site
from runtime.errors import FatalError, UserError

BENCHMARKS = (
    "codec",
    "gate",
    "stock",
    "decision",
    "restore",
    "infer",
    "engines",
    "cold_start",
    "postprocess",
    "sql",
    "alerts",
    "produce",
    "live",
    "publish",
    "spool",
    "latency",
)
QUICK_ROUNDS = 2
_WIDTH = 120  # of the table, whatever the terminal is: cut figures are no figures


@click.command(epilog="Example: make bench ARGS='gate sql --rounds 3'")
@click.argument("names", nargs=-1, metavar="[NAME]...", type=click.Choice(BENCHMARKS))
@click.option("--rounds", type=click.IntRange(1, 100), help="Of each; default: its own.")
@click.option("--quick", is_flag=True, help="A quarter of the load, two rounds: to try it out.")
@click.option("--report", "as_report", is_flag=True, help="Put the last results into the docs.")
@click.option("--hour", is_flag=True, help="An hour's outage of 20 cameras alone: 8 GB on disk.")
def main(
    names: tuple[str, ...], rounds: int | None, quick: bool, as_report: bool, hour: bool
) -> None:
    """Measure what each stage costs, next to the least that it could; all of them by default.

    Results go to benchmarks/results.json and to the screen.
    """
    if as_report:
        _report()
        return
    if hour:
        spool.hour(click.echo)
        return
    # As Ctrl-C does: servers, roles and loops are taken down on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console(width=_WIDTH)
    run = Run(
        command=" ".join(["python -m benchmarks", *sys.argv[1:]]),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=f"{os.cpu_count()} cores, Python {platform.python_version()}",
        load=round(os.getloadavg()[0], 1),
        quick=quick,
    )
    found = _measure(names or BENCHMARKS, rounds, quick, console)
    results.write(found, run)
    console.print(report.table(found))
    console.print(f"written to {results.RESULTS}", soft_wrap=True)


def _measure(
    names: Sequence[str], rounds: int | None, quick: bool, console: Console
) -> list[Result]:
    found: list[Result] = []

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    with Site(quick=quick, say=say) as site:
        for name in names:
            module = importlib.import_module(f"benchmarks.{name}")
            began_s = time.monotonic()
            found += module.run(site, rounds or (QUICK_ROUNDS if quick else module.ROUNDS))
            say(f"{name}: measured in {time.monotonic() - began_s:.0f} s")
    return found


def _report() -> None:
    content = report.markdown(*results.read())
    text = report.DOCUMENT.read_text(encoding="utf-8")
    report.DOCUMENT.write_text(report.put_into(text, content), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(prog_name="python -m benchmarks")
    except (UserError, FatalError) as error:
        sys.exit(f"benchmarks: {error}")
