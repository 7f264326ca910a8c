"""Heads with a row of numbers per place of a grid over the picture."""

from __future__ import annotations

from collections.abc import Iterator

from inference_worker.adding.candidate import Candidate, Outlook, Shapes, grid_text
from inference_worker.decoders.grid import cell_count
from inference_worker.formats import FastestDet, Nanodet, NanodetPlus, YoloV5, YoloV8, Yolox

# Strides of heads that are in use, P2 and P6 among them; how many anchors of v5 and v7 a cell has.
_STRIDES: tuple[tuple[int, ...], ...] = ((8, 16, 32), (8, 16, 32, 64))
_STRIDES_OF_V8: tuple[tuple[int, ...], ...] = (*_STRIDES, (4, 8, 16, 32))
_STRIDES_WITH_ANCHORS: tuple[tuple[int, ...], ...] = (*_STRIDES, (16, 32))
_ANCHORS = 3
_BINS = 8  # of NanoDet: `reg_max` 7
_FASTESTDET_STRIDE = 16
_MOST_QUERIES = 1000


def one_row_per_place(
    name: str, shape: tuple[int, ...], size: tuple[int, int]
) -> Iterator[Candidate]:
    """Of YOLO and NanoDet-Plus: an output (places, values)."""
    rows, values = shape
    for strides in _STRIDES:
        if rows != cell_count(strides, *size):
            continue
        places = f"{name!r} has {rows} rows, the cells of {grid_text(strides, size)}"
        if values > 5:
            why = f"{places}, and {values} = 5 + {values - 5} classes in each"
            for decoded in (False, True):
                spec = Yolox(output=name, strides=strides, decoded=decoded)
                variant = "yolox-decoded" if decoded else "yolox"
                yield Candidate(variant, spec, why, values - 5, strides)
            yield Candidate("yolov6", YoloV5(output=name), why, values - 5, strides)
        if values > 4 * _BINS:
            classes = values - 4 * _BINS
            why = f"{places}, and {values} = 4 x {_BINS} distances + {classes} classes in each"
            plus = NanodetPlus(output=name, strides=strides)
            yield Candidate("nanodet-plus", plus, why, classes, strides)
    yield from _with_anchors(name, shape, size)


def _with_anchors(name: str, shape: tuple[int, ...], size: tuple[int, int]) -> Iterator[Candidate]:
    rows, values = shape
    for strides in _STRIDES_WITH_ANCHORS:
        if rows == _ANCHORS * cell_count(strides, *size) and values > 5:
            why = (
                f"{name!r} has {rows} rows, {_ANCHORS} anchors for each cell of"
                f" {grid_text(strides, size)}, and {values} = 5 + {values - 5} classes in each"
            )
            yield Candidate("yolov5", YoloV5(output=name), why, values - 5, strides, _ANCHORS)


def yolov8(name: str, shape: tuple[int, ...], size: tuple[int, int]) -> Iterator[Candidate]:
    """Of YOLOv8 and later: an output (values, places) or (places, values)."""
    for strides in _STRIDES_OF_V8:
        cells = cell_count(strides, *size)
        if shape[1] == cells and shape[0] > 4:
            why = (
                f"{name!r} has {shape[0]} = 4 + {shape[0] - 4} classes numbers for each of"
                f" {cells} places, the cells of {grid_text(strides, size)}"
            )
            yield Candidate("yolov8", YoloV8(output=name), why, shape[0] - 4, strides)
        if shape[0] == cells and shape[1] > 4:
            why = (
                f"{name!r} has {cells} rows, the cells of {grid_text(strides, size)},"
                f" and {shape[1]} = 4 + {shape[1] - 4} classes in each"
            )
            spec = YoloV8(output=name, layout="anchors-first")
            yield Candidate("yolov8-anchors-first", spec, why, shape[1] - 4, strides)


def nanodet(seen: Outlook) -> Iterator[Candidate]:
    """Of NanoDet: two outputs per stride."""
    shapes, size = seen.shapes, seen.size
    for strides in _STRIDES:
        heads = [_heads_of(shapes, cell_count([stride], *size)) for stride in strides]
        if None in heads or len(shapes) != 2 * len(strides):
            continue
        scores, distances = zip(*(head for head in heads if head is not None), strict=True)
        classes = shapes[scores[0]][1]
        if all(shapes[name][1] == classes for name in scores):
            yield Candidate(
                "nanodet" if len(strides) == 3 else "picodet",
                Nanodet(scores=scores, distances=distances, strides=strides, bins=_BINS),
                f"for each of {grid_text(strides, size)} an output of {classes} classes and one of"
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


def queries_in_rows(
    name: str, shape: tuple[int, ...], size: tuple[int, int]
) -> Iterator[Candidate]:
    """Of Ultralytics' RT-DETR: an output (queries, values) whose rows lie on no grid."""
    rows, values = shape
    grids = {cell_count(strides, *size) for strides in _STRIDES_OF_V8}
    if rows <= _MOST_QUERIES and values > 4 and not grids & {rows, values}:
        yield Candidate(
            "rtdetr-ultralytics",
            YoloV8(output=name, layout="anchors-first"),
            f"{name!r} has {rows} rows on no grid, and {values} = 4 + {values - 4} classes in each",
            values - 4,
        )


def fastestdet(name: str, shape: tuple[int, ...], seen: Outlook) -> Iterator[Candidate]:
    """Of FastestDet: one output (5 + classes, rows, columns)."""
    values, rows, columns = shape
    width, height = seen.size
    stride = _FASTESTDET_STRIDE
    if (
        len(seen.shapes) == 1
        and values > 5
        and (rows * stride, columns * stride) == (height, width)
    ):
        yield Candidate(
            "fastestdet",
            FastestDet(output=name, stride=stride),
            f"{name!r} has 5 + {values - 5} classes numbers for each of {rows} x {columns} cells of"
            f" {grid_text([stride], seen.size)}",
            values - 5,
        )
