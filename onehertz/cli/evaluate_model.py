"""`onehertz evaluate model`: how well detectors find what is on labelled pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from inference_worker.adding.labels import read_labels
from inference_worker.loading import load_detector
from onehertz.assets import fetch_one, user_cache
from onehertz.cli.options import with_settings
from onehertz.evaluate.model import Counting, Row, figures, matched_classes, seen
from onehertz.evaluate.truth import read_truth
from onehertz.settings import Settings

_LISTED = 12  # classes
_COLUMNS = {
    "ap50": "AP50",
    "ap50_95": "AP50-95",
    "ap50_95_small": "small",
    "ap50_95_medium": "medium",
    "ap50_95_large": "large",
}


def _renamed(
    _context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, str]:
    found = {}
    for pair in pairs:
        label, equals, name = pair.partition("=")
        if not (label and equals and name):
            raise click.BadParameter(f"{pair!r}: expected MODEL=LABEL, say cattle=cow")
        found[label] = name
    return found


@click.command(
    "model",
    epilog="Example: onehertz evaluate model yolox-s --images val/images --labels val/labels",
)
@click.argument("models", nargs=-1, required=True)
@with_settings
@click.option(
    "--images",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of pictures.",
)
@click.option(
    "--labels",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="YOLO's: a folder with a .txt for each picture; or a file like COCO's instances.json.",
)
@click.option(
    "--names",
    help="Names of YOLO's classes: coco, or a file with one per line; default: classes.txt or"
    " data.yaml beside the labels, else coco.",
)
@click.option(
    "--rename",
    "renamed",
    multiple=True,
    metavar="MODEL=LABEL",
    callback=_renamed,
    help="What the model calls MODEL the labels call LABEL. Repeatable.",
)
@click.option(
    "--score-floor",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.001,
    show_default=True,
    help="Least score of a box that is counted.",
)
@click.option(
    "--max-detections",
    type=click.IntRange(1, 1000),
    default=100,
    show_default=True,
    help="The best boxes of a picture that are counted, of all classes together.",
)
@click.option("--by-class", is_flag=True, help="Each class too; --json has them always.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model and line.")
def model(
    settings: Settings,
    models: tuple[str, ...],
    images: Path,
    labels: Path,
    names: str | None,
    renamed: dict[str, str],
    score_floor: float,
    max_detections: int,
    by_class: bool,
    as_json: bool,
) -> None:
    """Average precision of MODELS on labelled pictures, as COCO counts it.

    AP50: at IoU 0.5; AP50-95: the mean over IoU 0.5 to 0.95; small, medium, large: AP50-95 of
    objects below 32² and 96² pixels and above. The mean is over the classes that are on the
    pictures and that the model knows, by name; the others are left out, and named.
    """
    truth = read_truth(images, labels, read_labels(names) if names else None)
    screen = Console(stderr=True)
    for remark in truth.remarks:
        click.echo(f"note: {remark}", err=True)
    counting = Counting(score_floor, max_detections)
    rows = []
    for name in dict.fromkeys(models):
        chosen = settings.infer.model_copy(update={"model": name})
        detector = load_detector(chosen, fetch_one, engines=user_cache())
        classes = matched_classes(detector.manifest.labels, truth, renamed)
        shown = track(
            truth.pictures, name, console=screen, transient=True, disable=not screen.is_terminal
        )
        answers = seen(detector, counting, shown)
        engine = detector.backend
        row = figures(detector.name, truth, classes, counting, answers)
        row |= {"engine": engine.name, "precision": engine.precision}
        rows.append(row)
        if as_json:
            click.echo(json.dumps(row))
    if not as_json:
        _print(rows, by_class)


def _print(rows: Sequence[Row], by_class: bool) -> None:
    console = Console()
    first = rows[0]
    counted = f"boxes from {first['score_floor']} on, {first['max_detections']} on a picture"
    table = _table(f"{first['images']} pictures; {counted}", ("model", "classes", "objects"))
    for row in rows:
        counts = (row["model"], str(row["classes"]), str(row["objects"]))
        table.add_row(*counts, *(_cell(row[key]) for key in _COLUMNS))
    console.print(table)
    for row in rows:
        if row["left_out"]:
            console.print(_left_out(row), highlight=False, markup=False, soft_wrap=True)
        if by_class:
            console.print(_classes(row))


def _left_out(row: Row) -> str:
    names = row["left_out"]
    more = f" and {len(names) - _LISTED} more (--json has all)" if len(names) > _LISTED else ""
    return f"{row['model']} does not know, so not asked for: {', '.join(names[:_LISTED])}{more}"


def _classes(row: Row) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), title=row["model"], title_justify="left")
    table.add_column("class", min_width=14)
    for name in ("objects", "AP50", "AP50-95"):
        table.add_column(name, justify="right")
    for name, one in row["by_class"].items():
        table.add_row(name, str(one["objects"]), _cell(one["ap50"]), _cell(one["ap50_95"]))
    return table


def _table(title: str, counts: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), title=title, title_justify="left")
    for place, name in enumerate((*counts, *_COLUMNS.values())):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    return table


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
