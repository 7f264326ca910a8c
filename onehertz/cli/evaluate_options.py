"""Options of `onehertz evaluate gate` that say who judges, and from whom the gate learns."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from onehertz.evaluate.panel import Wanted

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _size(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    if value is None:
        return None
    width, _, height = value.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise click.BadParameter(f"{value!r}: expected WIDTHxHEIGHT in pixels, say 768x576")
    return int(width), int(height)


_OPTIONS = (
    click.option(
        "--model",
        "models",
        multiple=True,
        help="A judge. Repeatable; default: infer.model, or nobody besides --labels.",
    ),
    click.option(
        "--labels",
        multiple=True,
        type=click.Path(exists=True, path_type=Path),
        help="Ground truth as a judge: MOT's gt.txt, or a folder of YOLO's. One for each source.",
    ),
    click.option(
        "--labels-size",
        metavar="WxH",
        callback=_size,
        help="Size of the frames that MOT labels were made on, if not the video's.",
    ),
    click.option(
        "--labels-first",
        type=click.IntRange(0),
        help="Number of the video's first frame in the labels; default: 1 (MOT), 0 (YOLO).",
    ),
    click.option(
        "--feedback",
        multiple=True,
        help="A model whose boxes the gate learns from. Repeatable; nobody judges what he taught.",
    ),
    click.option(
        "--detections",
        type=_FILE,
        help="JSON lines with somebody else's boxes for the gate to learn from: source,"
        " frame_index or time_s, boxes.",
    ),
)


def with_wanted(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command those options, and what they say as its argument `wanted`."""

    @functools.wraps(command)
    def wrapped(
        *args: Any,
        models: tuple[str, ...],
        labels: tuple[Path, ...],
        labels_size: tuple[int, int] | None,
        labels_first: int | None,
        feedback: tuple[str, ...],
        detections: Path | None,
        **kwargs: Any,
    ) -> Any:
        wanted = Wanted(
            tuple(dict.fromkeys(models)),
            labels,
            labels_size,
            labels_first,
            tuple(dict.fromkeys(feedback)),
            detections,
        )
        return command(*args, wanted=wanted, **kwargs)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
