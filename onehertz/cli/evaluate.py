"""`onehertz evaluate`: what the gate drops, against what that costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from inference_worker.detector import Detector
from inference_worker.loading import load_detector
from inference_worker.settings import InferSettings
from onehertz.assets import fetch
from onehertz.cli.options import with_settings
from onehertz.evaluate.judging import Judged, judge, oracle_dropped
from onehertz.evaluate.report import Figures, total
from onehertz.evaluate.ticks import Phase, phases
from onehertz.settings import Settings
from stream_processors.settings import GateSettings

# A box so little above its detector's threshold may be there on one frame and gone on the next.
DOUBT = 0.15


@click.group()
def evaluate() -> None:
    """Measure on video, without the line."""


@evaluate.command(epilog="Example: onehertz evaluate gate yard.mp4 door.mp4 --json")
@click.argument(
    "sources", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@with_settings
@click.option("--model", "models", multiple=True, help="A judge. Repeatable; default: infer.model.")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    help="Seconds between two ticks.",
)
@click.option(
    "--phases",
    "count",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Passes over each video, their first ticks spread over an interval.",
)
@click.option(
    "--decisions", is_flag=True, help="One JSON object per tick of the first pass, no more."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per source and model.")
def gate(
    settings: Settings,
    sources: tuple[Path, ...],
    models: tuple[str, ...],
    interval_s: float,
    count: int,
    decisions: bool,
    as_json: bool,
) -> None:
    """Run the gate, with its settings, over videos, and judge what it drops.

    A dropped tick has the boxes of the last kept one; they are compared with what the judge sees on
    the tick itself (F1 at IoU 0.5, 1 where both are empty). The oracle drops all that a gate could
    which knew that beforehand. Ticks that are drawn for the audit count as kept.
    """
    passes = 1 if decisions else count
    rows = []
    for model in models or (settings.infer.model,):
        detector = _detector(settings.infer, model)
        found = []
        for source in sources:
            figures = Figures()
            for one in phases(source, round(interval_s * 1_000_000), passes):
                judged, oracle = _judged(one, detector, settings.gate)
                figures.add(judged, oracle)
                for line in _decisions(source, judged) if decisions else ():
                    click.echo(line)
            found.append(figures)
            rows.append(figures.row(str(source), model))
        if len(found) > 1:
            rows.append(total(found).row("total", model))
    if as_json and not decisions:
        for row in rows:
            click.echo(json.dumps(row))
    elif not decisions:
        _print(rows)


def _judged(one: Phase, detector: Detector, settings: GateSettings) -> tuple[list[Judged], int]:
    ticks = one.ticks(detector)
    doubtful = detector.score_threshold + DOUBT
    judged = judge(ticks, settings.rule(), one.source.name, doubtful)
    refresh = max(1, round(settings.refresh_s * 1e6 / one.interval_us))
    return judged, oracle_dropped(ticks, refresh)


def _detector(settings: InferSettings, model: str) -> Detector:
    chosen = settings.model_copy(update={"model": model})
    return load_detector(chosen, lambda name: fetch([name])[name])


def _decisions(source: Path, judged: list[Judged]) -> Iterator[str]:
    for one in judged:
        yield json.dumps(
            {
                "source": str(source),
                "time_s": round(one.tick.time_s, 6),
                "frame_index": one.tick.frame_index,
                "kept": one.kept,
                "because": one.because,
                "score": round(one.score, 3),
                "sameas_s": round(judged[one.same_as].tick.time_s, 6),
            }
        )


_COLUMNS = {
    "source": "source",
    "frames": "ticks",
    "dropped": "dropped",
    "oracle_dropped": "oracle",
    "f1": "F1",
    "f1_tolerant": "toler.",
    "f1_p5": "5th",
    "presence_recall": "presence",
    "presence_missed": "missed",
}


def _print(rows: list[dict[str, str | int | float | None]]) -> None:
    for model in dict.fromkeys(row["model"] for row in rows):
        table = Table(box=None, pad_edge=False, title=f"judged by {model}", title_justify="left")
        table.add_column("source", min_width=14, overflow="fold")
        for title in list(_COLUMNS.values())[1:]:
            table.add_column(title, justify="right", no_wrap=True)
        for row in rows:
            if row["model"] == model:
                table.add_row(*(_cell(key, row[key]) for key in _COLUMNS))
        Console().print(table)


def _cell(key: str, value: str | float | None) -> str:
    if value is None:
        return ""
    if key == "source":
        return Path(str(value)).name
    return f"{100 * float(value):.1f} %" if key.endswith("dropped") else str(value)
