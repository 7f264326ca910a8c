"""Output formats that the names and shapes of a graph's outputs fit. Values are `probe.py`'s.

The families are in `by_grid.py` (a row of numbers per place), `by_anchors.py` (undecoded heads),
`by_queries.py` (DETR's) and `by_objects.py` (boxes that the graph has finished).
"""

from __future__ import annotations

from inference_worker.adding.by_anchors import anchor_heads, raw_ssd
from inference_worker.adding.by_grid import (
    fastestdet,
    nanodet,
    one_row_per_place,
    queries_in_rows,
    yolov8,
)
from inference_worker.adding.by_objects import boxes_and_scores, finished, rows
from inference_worker.adding.by_queries import detr, queries
from inference_worker.adding.candidate import Candidate, Outlook

__all__ = ["FORMATS", "Candidate", "Outlook", "candidates"]

# What `--format` takes.
FORMATS = (
    "boxes-scores",
    "detr",
    "detr-sigmoid",
    "detr-softmax",
    "fastestdet",
    "finished",
    "finished-yxyx",
    "nanodet",
    "nanodet-plus",
    "paddle",
    "picodet",
    "rtdetr-ultralytics",
    "ssd",
    "tensorflow",
    "yolo-anchors",
    "yolo-nas-flat",
    "yolov10",
    "yolov5",
    "yolov6",
    "yolov7-end2end",
    "yolov8",
    "yolov8-anchors-first",
    "yolox",
    "yolox-decoded",
)


def candidates(seen: Outlook) -> list[Candidate]:
    """All that fit, whatever the number of classes."""
    found = [*detr(seen), *nanodet(seen), *finished(seen), *queries(seen), *raw_ssd(seen)]
    found += [*boxes_and_scores(seen), *anchor_heads(seen)]
    for name, shape in seen.shapes.items():
        if len(shape) == 2:
            found += one_row_per_place(name, shape, seen.size)
            found += yolov8(name, shape, seen.size)
            found += queries_in_rows(name, shape, seen.size)
            found += rows(name, shape)
        if len(shape) == 3:
            found += fastestdet(name, shape, seen)
    return found
