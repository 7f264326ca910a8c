"""`onehertz detect`: boxes of images, without Kafka."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import cv2
import numpy as np

from inference_worker.detector import Boxes, Detector
from inference_worker.loading import load_detector
from inference_worker.preprocess import Image
from onehertz.assets import fetch_one
from onehertz.cli.options import with_settings
from onehertz.settings import Settings
from runtime.errors import UserError
from schemas.messages import Box


@click.command("detect", epilog="Example: onehertz detect street.jpg yard.png --json")
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@with_settings
@click.option("--model", help="Name of the model; default: infer.model.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per image and line.")
def detect(settings: Settings, images: tuple[Path, ...], model: str | None, as_json: bool) -> None:
    """Print what the model sees on IMAGES (JPEG, PNG …), boxes in fractions of each image.

    Exit code 2, after all others are done, if a file is no image.
    """
    chosen = {
        "model": model or settings.infer.model,
        "max_batch": min(settings.infer.max_batch, len(images)),
    }
    detector = load_detector(settings.infer.model_copy(update=chosen), fetch_one)
    unusable: list[str] = []
    readable = _read_all(images, unusable)
    while batch := list(itertools.islice(readable, detector.backend.max_batch)):
        for line in _lines(detector, batch, as_json):
            click.echo(line)
    if unusable:
        raise UserError("not an image that can be read: " + ", ".join(unusable))


def _read_all(paths: Sequence[Path], unusable: list[str]) -> Iterator[tuple[Path, Image]]:
    for path in paths:
        image = _read(path)
        if image is None:
            unusable.append(str(path))
        else:
            yield path, image


def _read(path: Path) -> Image | None:
    try:
        image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):  # unreadable; empty, or more pixels than OpenCV takes
        return None
    return None if image is None else np.asarray(image, dtype=np.uint8)


def _lines(detector: Detector, batch: Sequence[tuple[Path, Image]], as_json: bool) -> Iterator[str]:
    found = detector.detect([image for _, image in batch])
    for (path, image), boxes in zip(batch, found, strict=True):
        yield _as_json(detector, path, image, boxes) if as_json else _as_text(path, image, boxes)


def _as_json(detector: Detector, path: Path, image: Image, boxes: Boxes) -> str:
    height, width = image.shape[:2]
    fields = Box.__struct_fields__
    return json.dumps(
        {
            "image": str(path),
            "width": width,
            "height": height,
            "model": detector.name,
            "boxes": [{field: getattr(box, field) for field in fields} for box in boxes],
        }
    )


def _as_text(path: Path, image: Image, boxes: Boxes) -> str:
    height, width = image.shape[:2]
    lines = [f"{path}  {width} x {height}  {len(boxes) or 'no'} box{'es' * (len(boxes) != 1)}"]
    lines += [
        f"  {box.label:<20}{box.score:.2f}  {box.x1:.3f} {box.y1:.3f}  {box.x2:.3f} {box.y2:.3f}"
        for box in boxes
    ]
    return "\n".join(lines)
