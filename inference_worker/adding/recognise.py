"""Output formats that the shapes of a graph's outputs fit. Shapes only: values are `probe.py`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inference_worker.decoders.grid import cell_count
from inference_worker.formats import (
    Detr,
    Nanodet,
    NanodetPlus,
    Output,
    YoloV5,
    YoloV8,
    YoloV10,
    Yolox,
)

# Strides of heads that are in use, and how many anchors of YOLOv5 and v7 a cell has.
_STRIDES: tuple[tuple[int, ...], ...] = ((8, 16, 32), (8, 16, 32, 64))
_STRIDES_WITH_ANCHORS: tuple[tuple[int, ...], ...] = (*_STRIDES, (16, 32))
_ANCHORS = 3
_BINS = 8  # of NanoDet: `reg_max` 7

# What `--format` takes.
FORMATS = (
    "detr",
    "nanodet",
    "nanodet-plus",
    "yolov10",
    "yolov5",
    "yolov8",
    "yolov8-anchors-first",
    "yolox",
    "yolox-decoded",
)

Shapes = Mapping[str, tuple[int, ...]]  # of outputs, without the batch


@dataclass(frozen=True)
class Candidate:
    """A format that the shapes fit."""

    name: str  # one of FORMATS
    spec: Output
    why: str
    classes: int | None = None  # how many there must be then; None: shapes don't tell
    strides: tuple[int, ...] = ()  # of the grid that the rows lie on, if they lie on one
    per_cell: int = 1


def candidates(
    shapes: Shapes, whole_numbers: Sequence[str], size: tuple[int, int], has_sizes: bool
) -> list[Candidate]:
    """All that fit, whatever the number of classes.

    `whole_numbers`: outputs of an integer type. `size`: width and height of the input in pixels.
    `has_sizes`: the graph is told the picture's size.
    """
    found = [*_detr(shapes, whole_numbers, has_sizes), *_nanodet(shapes, size)]
    for name, shape in shapes.items():
        if len(shape) == 2:
            found += _one_row_per_place(name, shape, size)
            found += _yolov8(name, shape, size)
            if shape[1] == 6:
                why = f"{name!r} has {shape[0]} rows of 6: a box, its score and its class"
                found.append(Candidate("yolov10", YoloV10(output=name), why))
    return found


def _detr(shapes: Shapes, whole_numbers: Sequence[str], has_sizes: bool) -> Iterator[Candidate]:
    boxes = [name for name, shape in shapes.items() if len(shape) == 2 and shape[1] == 4]
    flat = [name for name, shape in shapes.items() if len(shape) == 1]
    labels = [name for name in flat if name in whole_numbers]
    scores = [name for name in flat if name not in whole_numbers]
    if not has_sizes or len(shapes) != 3 or not len(boxes) == len(labels) == len(scores) == 1:
        return
    queries = shapes[boxes[0]][0]
    if shapes[labels[0]] == shapes[scores[0]] == (queries,):
        yield Candidate(
            "detr",
            Detr(labels=labels[0], boxes=boxes[0], scores=scores[0]),
            f"labels {labels[0]!r}, boxes {boxes[0]!r} and scores {scores[0]!r} of {queries}"
            " objects, and an input for the picture's size",
        )


def _one_row_per_place(
    name: str, shape: tuple[int, ...], size: tuple[int, int]
) -> Iterator[Candidate]:
    rows, values = shape
    for strides in _STRIDES:
        if rows != cell_count(strides, *size):
            continue
        places = f"{name!r} has {rows} rows, the cells of {_text(strides, size)}"
        if values > 5:
            why = f"{places}, and {values} = 5 + {values - 5} classes in each"
            for decoded in (False, True):
                spec = Yolox(output=name, strides=strides, decoded=decoded)
                variant = "yolox-decoded" if decoded else "yolox"
                yield Candidate(variant, spec, why, values - 5, strides)
        if values > 4 * _BINS:
            classes = values - 4 * _BINS
            why = f"{places}, and {values} = 4 x {_BINS} distances + {classes} classes in each"
            plus = NanodetPlus(output=name, strides=strides)
            yield Candidate("nanodet-plus", plus, why, classes, strides)
    for strides in _STRIDES_WITH_ANCHORS:
        if rows == _ANCHORS * cell_count(strides, *size) and values > 5:
            why = (
                f"{name!r} has {rows} rows, {_ANCHORS} anchors for each cell of"
                f" {_text(strides, size)}, and {values} = 5 + {values - 5} classes in each"
            )
            yield Candidate("yolov5", YoloV5(output=name), why, values - 5, strides, _ANCHORS)


def _yolov8(name: str, shape: tuple[int, ...], size: tuple[int, int]) -> Iterator[Candidate]:
    for strides in _STRIDES:
        cells = cell_count(strides, *size)
        if shape[1] == cells and shape[0] > 4:
            why = (
                f"{name!r} has {shape[0]} = 4 + {shape[0] - 4} classes numbers for each of"
                f" {cells} places, the cells of {_text(strides, size)}"
            )
            yield Candidate("yolov8", YoloV8(output=name), why, shape[0] - 4, strides)
        if shape[0] == cells and shape[1] > 4:
            why = (
                f"{name!r} has {cells} rows, the cells of {_text(strides, size)},"
                f" and {shape[1]} = 4 + {shape[1] - 4} classes in each"
            )
            spec = YoloV8(output=name, layout="anchors-first")
            yield Candidate("yolov8-anchors-first", spec, why, shape[1] - 4, strides)


def _nanodet(shapes: Shapes, size: tuple[int, int]) -> Iterator[Candidate]:
    for strides in _STRIDES:
        heads = [_heads_of(shapes, cell_count([stride], *size)) for stride in strides]
        if None in heads or len(shapes) != 2 * len(strides):
            continue
        scores, distances = zip(*(head for head in heads if head is not None), strict=True)
        classes = shapes[scores[0]][1]
        if all(shapes[name][1] == classes for name in scores):
            yield Candidate(
                "nanodet",
                Nanodet(scores=scores, distances=distances, strides=strides, bins=_BINS),
                f"for each of {_text(strides, size)} an output of {classes} classes and one of"
                f" 4 x {_BINS} distances",
                classes,
                strides,
            )


def _heads_of(shapes: Shapes, cells: int) -> tuple[str, str] | None:
    """The outputs with scores and with distances of a grid; None: there are no such two."""
    there = [name for name, shape in shapes.items() if len(shape) == 2 and shape[0] == cells]
    distances = [name for name in there if shapes[name][1] == 4 * _BINS]
    if len(there) != 2 or len(distances) != 1:
        return None
    return next(name for name in there if name not in distances), distances[0]


def _text(strides: Sequence[int], size: tuple[int, int]) -> str:
    width, height = size
    return f"strides {', '.join(map(str, strides))} at {width} x {height}"
