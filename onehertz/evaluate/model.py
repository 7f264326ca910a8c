"""A detector against labelled pictures: average precision by class and by size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec
import numpy as np

from inference_worker.detector import Boxes, Detector
from onehertz.evaluate.truth import Labelled, Truth
from onehertz.pictures import Image, read_picture
from runtime.errors import UserError
from schemas.messages import Box
from vision.average_precision import SIZES, Picture, average_precision
from vision.boxes import Floats

Row = dict[str, Any]
Size = tuple[int, int]  # width and height, pixels
_DECIMALS: Final = 4


@dataclass(frozen=True)
class Counting:
    """What of a model's answers is counted, on each picture."""

    score_floor: float = 0.001
    max_detections: int = 100  # the best ones, of all classes together


@dataclass(frozen=True)
class Classes:
    """Which classes of the labels a model can be held to."""

    places: Mapping[str, int]  # of the model's labels, in `Truth.names`
    compared: tuple[int, ...]  # places in `Truth.names`
    left_out: tuple[str, ...]  # that are on the pictures, and that the model does not know


def matched_classes(labels: Sequence[str], truth: Truth, renamed: Mapping[str, str]) -> Classes:
    """A model's labels are the labels' classes of the same name, in upper or lower case.

    `renamed`: from labels of the model to classes. Raises UserError if none is the same.
    """
    by_name = {name.casefold(): place for place, name in enumerate(truth.names)}
    wanted = {label: renamed.get(label, label).casefold() for label in labels}
    places = {label: by_name[name] for label, name in wanted.items() if name in by_name}
    there = {int(place) for one in truth.pictures for place in one.classes[~one.crowd]}
    known = set(places.values())
    if not there & known:
        raise UserError(
            "the model knows none of the classes on the pictures; it knows: "
            f"{', '.join(labels[:10])}{' …' * (len(labels) > 10)}; on the pictures: "
            f"{', '.join(sorted(truth.names[place] for place in there)[:10]) or 'nothing'};"
            " --rename MODEL=LABEL maps a name, --names names the classes"
        )
    left_out = tuple(sorted(truth.names[place] for place in there - known))
    return Classes(places, tuple(sorted(there & known)), left_out)


def evaluating(detector: Detector, counting: Counting) -> Detector:
    """The same model and engine, with all its answers down to the floor."""
    manifest = detector.manifest
    if manifest.nms is not None:
        nms = msgspec.structs.replace(manifest.nms, max_boxes=counting.max_detections)
        manifest = msgspec.structs.replace(manifest, nms=nms)
    return Detector(manifest, detector.backend, counting.score_floor)


def seen(
    detector: Detector, counting: Counting, pictures: Iterable[Labelled]
) -> Iterator[tuple[Labelled, Size, Boxes]]:
    """What a detector sees on each picture, in their order.

    Raises UserError for a file that is no picture, FatalError if the engine fails.
    """
    able = evaluating(detector, counting)
    ready = iter(pictures)
    while batch := list(islice(ready, able.backend.max_batch)):
        images = [_read(one) for one in batch]
        for one, image, boxes in zip(batch, images, able.detect(images), strict=True):
            yield one, (image.shape[1], image.shape[0]), boxes


def figures(
    model: str,
    truth: Truth,
    classes: Classes,
    counting: Counting,
    answers: Iterable[tuple[Labelled, Size, Boxes]],
) -> Row:
    """Of one model; `answers`: its boxes on each picture, the best score first."""
    judged: dict[int, list[Picture]] = {place: [] for place in classes.compared}
    for one, size, boxes in answers:
        best = [box for box in boxes if box.score >= counting.score_floor]
        for place, picture in _by_class(one, size, best[: counting.max_detections], classes):
            judged[place].append(picture)
    precisions = {place: average_precision(these) for place, these in judged.items()}
    return _row(model, truth, classes, counting, precisions)


def _read(one: Labelled) -> Image:
    image = read_picture(one.path)
    if image is None:
        raise UserError(f"{one.path}: is not an image that can be read")
    return image


def _by_class(
    one: Labelled, size: Size, boxes: Sequence[Box], classes: Classes
) -> Iterator[tuple[int, Picture]]:
    """The classes of which something is on the picture, or was reported."""
    sides = np.array(size * 2, np.float64)
    known = [box for box in boxes if box.label in classes.places]
    kinds = np.array([classes.places[box.label] for box in known], np.intp)
    corners = np.array([(b.x1, b.y1, b.x2, b.y2) for b in known], np.float64).reshape(-1, 4) * sides
    scores = np.array([box.score for box in known], np.float64)
    objects = one.boxes if one.in_pixels else one.boxes * sides
    areas = one.areas if one.areas is not None else np.prod(objects[:, 2:] - objects[:, :2], axis=1)
    for place in classes.compared:
        there, reported = one.classes == place, kinds == place
        if there.any() or reported.any():
            yield (
                place,
                Picture(
                    objects[there],
                    one.crowd[there],
                    one.ignored[there],
                    areas[there],
                    corners[reported],
                    scores[reported],
                ),
            )


def _row(
    model: str,
    truth: Truth,
    classes: Classes,
    counting: Counting,
    precisions: Mapping[int, Floats],
) -> Row:
    counts = np.zeros(len(truth.names), int)
    for one in truth.pictures:
        np.add.at(counts, one.classes[~(one.crowd | one.ignored)], 1)
    every = np.array([precisions[place] for place in classes.compared])  # class, size, IoU
    sizes = enumerate(name for name, _, _ in SIZES)
    return {
        "model": model,
        "images": len(truth.pictures),
        "objects": int(counts[list(classes.compared)].sum()),
        "classes": int((~np.isnan(every[:, 0, 0])).sum()),
        "ap50": _mean(every[:, 0, 0]),
        "ap50_95": _mean(every[:, 0]),
        **{f"ap50_95_{name}": _mean(every[:, place]) for place, name in sizes if place},
        "score_floor": counting.score_floor,
        "max_detections": counting.max_detections,
        "left_out": list(classes.left_out),
        "by_class": {
            truth.names[place]: {
                "objects": int(counts[place]),
                "ap50": _mean(precisions[place][0, 0]),
                "ap50_95": _mean(precisions[place][0]),
            }
            for place in classes.compared
        },
    }


def _mean(values: Floats) -> float | None:
    """Over what there is; None where there is nothing."""
    there = np.asarray(values)[~np.isnan(values)]
    return round(float(there.mean()), _DECIMALS) if there.size else None
