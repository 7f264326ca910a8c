"""`onehertz evaluate`: what the gate drops against what that costs; how well models detect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import track

from inference_worker.detector import Detector
from inference_worker.loading import load_detector
from onehertz.assets import fetch_one, user_cache
from onehertz.cli.evaluate_model import model
from onehertz.cli.evaluate_options import with_wanted
from onehertz.cli.evaluate_table import print_rows, print_sweep
from onehertz.cli.options import check_plot, with_settings
from onehertz.evaluate.explain import explained
from onehertz.evaluate.judging import WarmUp
from onehertz.evaluate.panel import Panel, Wanted
from onehertz.evaluate.plot import write_plot
from onehertz.evaluate.report import Row
from onehertz.evaluate.run import Plan, all_results, decision_lines, rows
from onehertz.evaluate.sheet import DROPS, sheet, worst
from onehertz.evaluate.sweep import sweep
from onehertz.settings import Settings
from runtime.errors import UserError
from vision.draw import write_png

_WARM_UPS: Final[dict[str, tuple[WarmUp, ...]]] = {
    "none": ("none",),
    "first": ("first",),
    "last": ("last",),
    "both": ("first", "last"),
}


_with_interval = click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    help="Seconds between two ticks.",
)


@click.group()
def evaluate() -> None:
    """Measure on video or pictures, without the line."""


evaluate.add_command(model)


@evaluate.command(
    epilog="Example: onehertz evaluate gate yard.mp4 door.mp4 --plot gate.html --sheet drops.png"
)
@click.argument(
    "sources", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@with_settings
@with_wanted
@_with_interval
@click.option(
    "--phases",
    "count",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Passes over each video, their first ticks spread over an interval.",
)
@click.option(
    "--warm-up",
    type=click.Choice(list(_WARM_UPS)),
    default="none",
    show_default=True,
    help="Let the gate see the first 40 % beforehand and judge the rest, or the last 60 %.",
)
@click.option(
    "--decisions", is_flag=True, help="One JSON object per tick of the first pass, no more."
)
@click.option(
    "--sweep", "swept", is_flag=True, help="The same at other resolutions, qualities, intervals."
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write drop rate against accuracy, as an HTML page.",
)
@click.option(
    "--sheet",
    "sheet_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write pictures of the worst drops, as PNG.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per source and judge.")
def gate(
    settings: Settings,
    sources: tuple[Path, ...],
    wanted: Wanted,
    interval_s: float,
    count: int,
    warm_up: str,
    decisions: bool,
    swept: bool,
    plot: Path | None,
    sheet_path: Path | None,
    as_json: bool,
) -> None:
    """Run the gate, with its settings, over videos, and judge what it drops.

    A dropped tick has the boxes of the last kept one; they are compared with what the judge sees on
    the tick itself (F1 at IoU 0.5, 1 where both are empty; the tolerant one leaves out boxes less
    than 0.15 above the judge's threshold). The oracle is a gate that knew that beforehand. Ticks
    that are drawn for the audit count as kept. docs/evaluate.md has the rest.
    """
    wanted = wanted.checked(len(sources), settings.infer.model)
    check_plot(plot)
    panel = Panel(wanted, lambda name: _detector(settings, name), judging=not decisions)
    plan = Plan(settings.gate.rule(), round(interval_s * 1e6), count, _WARM_UPS[warm_up])
    if decisions:
        for line in decision_lines(sources, panel, plan):
            click.echo(json.dumps(line))
    elif swept and not panel.detectors:
        raise UserError("--sweep: only models can be swept; name one with --model")
    elif swept:
        _tell(sweep(sources, panel.detectors, plan.rule, plan.interval_us), as_json, print_sweep)
    else:
        screen = Console(stderr=True)
        progress = track(
            sources, "evaluating", console=screen, transient=True, disable=not screen.is_terminal
        )
        results = all_results(progress, panel, plan)
        if plot is not None:
            write_plot(plot, results)
        if sheet_path is not None:
            write_png(sheet_path, sheet(worst([d for one in results for d in one.drops], DROPS)))
        _tell(rows(results), as_json, print_rows)


@evaluate.command(epilog="Example: onehertz evaluate explain yard.mp4 --at 12.4 --to why.png")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_settings
@click.option("--at", "at_s", type=click.FloatRange(0), required=True, help="Seconds into it.")
@click.option(
    "--to",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The picture to write, as PNG.",
)
@_with_interval
def explain(settings: Settings, source: Path, at_s: float, path: Path, interval_s: float) -> None:
    """Draw why the gate kept or dropped a frame of a video.

    The gate sees the video from its beginning, at one tick an interval, up to the tick at or after
    the time asked for. The picture shows the last kept frame, that tick's, and its tiles: the
    brighter, the further from the kept one; those that had it kept are framed.
    """
    drawn, words = explained(source, round(interval_s * 1e6), at_s, settings.gate.rule())
    write_png(path, drawn)
    click.echo(words)


def _detector(settings: Settings, model: str) -> Detector:
    chosen = settings.infer.model_copy(update={"model": model})
    return load_detector(chosen, fetch_one, engines=user_cache())


def _tell(rows: Iterable[Row], as_json: bool, print_them: Callable[[Sequence[Row]], None]) -> None:
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
    else:
        print_them(list(rows))
