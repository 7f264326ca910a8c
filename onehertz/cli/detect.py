"""`onehertz detect`: boxes of pictures and videos, without Kafka."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from inference_worker.detector import Boxes, Detector
from inference_worker.loading import load_detector
from inference_worker.tile_grid import Grid, grid_of
from inference_worker.tiles import detect_tiled
from onehertz.assets import fetch_one, user_cache
from onehertz.cli.options import with_settings
from onehertz.looking import Looked, Source, look, sources
from onehertz.settings import Settings
from runtime.errors import UserError
from schemas.messages import Box
from vision.draw import draw_boxes, write_png


def _grid(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Grid:
    try:
        return grid_of(text) if text else Grid(1, 1)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("detect", epilog="Example: onehertz detect street.jpg yard.mp4 --draw boxes --json")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@with_settings
@click.option("--model", help="Name of the model; default: infer.model.")
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(0.01, 3600),
    default=1.0,
    show_default=True,
    help="Seconds of a video between two frames that are looked at.",
)
@click.option(
    "--tiles",
    "grid",
    metavar="ROWSxCOLUMNS",
    callback=_grid,
    help="Look at so many overlapping parts of each picture too, say 2x3: finds smaller things, at "
    "as many inferences more.",
)
@click.option(
    "--draw",
    "drawings",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each picture with its boxes into this folder, as PNG.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per picture and line.")
def detect(
    settings: Settings,
    inputs: tuple[Path, ...],
    model: str | None,
    every_s: float,
    grid: Grid,
    drawings: Path | None,
    as_json: bool,
) -> None:
    """Print what the model sees on INPUTS: pictures, videos, or folders of them, with all below.

    Boxes are in fractions of each picture. Exit code 2, after all others are done, if a file can't
    be read.
    """
    files = sources(inputs)
    detector = _detector(settings, model, files, grid)
    unusable: list[str] = []
    ready = iter(_with_progress(look(files, every_s, unusable), files))
    while batch := list(islice(ready, detector.backend.max_batch)):
        found = detect_tiled(detector, [one.image for one in batch], grid)
        for one, boxes in zip(batch, found, strict=True):
            if drawings is not None:
                write_png(drawings / one.drawing, draw_boxes(one.image, boxes))
            click.echo(_as_json(detector, one, boxes) if as_json else _as_text(one, boxes))
    if unusable:
        raise UserError("\n".join(unusable))


def _detector(
    settings: Settings, model: str | None, files: Sequence[Source], grid: Grid
) -> Detector:
    """In batches no larger than there are pictures, so that a single one is soon looked at."""
    chosen = settings.infer.model_copy(update={"model": model or settings.infer.model})
    is_video = any(file.is_video for file in files)
    wanted = None if is_video else len(files) * grid.inferences
    return load_detector(chosen, fetch_one, engines=user_cache(), pictures=wanted)


def _with_progress(pictures: Iterable[Looked], files: Sequence[Source]) -> Iterable[Looked]:
    """A bar on the terminal, where the answers don't go there too."""
    screen = Console(stderr=True)
    known = None if any(file.is_video for file in files) else len(files)
    shown = screen.is_terminal and not sys.stdout.isatty()
    return track(
        pictures, "looking", total=known, console=screen, transient=True, disable=not shown
    )


def _as_json(detector: Detector, one: Looked, boxes: Boxes) -> str:
    height, width = one.image.shape[:2]
    fields = Box.__struct_fields__
    moment = {} if one.at_s is None else {"at_s": round(one.at_s, 6)}
    row = {"image": str(one.source), **moment, "width": width, "height": height}
    row["model"] = detector.name
    row["boxes"] = [{field: getattr(box, field) for field in fields} for box in boxes]
    return json.dumps(row)


def _as_text(one: Looked, boxes: Boxes) -> str:
    return "\n".join(_text_lines(one, boxes))


def _text_lines(one: Looked, boxes: Boxes) -> Iterator[str]:
    height, width = one.image.shape[:2]
    moment = "" if one.at_s is None else f"  {one.at_s:.3f} s"
    count = f"{len(boxes) or 'no'} box{'es' * (len(boxes) != 1)}"
    yield f"{one.source}{moment}  {width} x {height}  {count}"
    for box in boxes:
        corners = f"{box.x1:.3f} {box.y1:.3f}  {box.x2:.3f} {box.y2:.3f}"
        yield f"  {box.label:<20}{box.score:.2f}  {corners}"
