"""Boxes that the graph has finished: decoded, and most of the time suppressed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from inference_worker.adding.candidate import Candidate, Outlook, base_name, boxes_and_others
from inference_worker.formats import BoxesScores, Column, Finished, Rows, YoloV10

_COLUMNS: dict[str, tuple[Column, ...]] = {
    "paddle": ("class", "score", "x1", "y1", "x2", "y2"),
    "yolov7-end2end": ("image", "x1", "y1", "x2", "y2", "class", "score"),
    "yolo-nas-flat": ("image", "x1", "y1", "x2", "y2", "score", "class"),
}
_TENSORFLOW = ("detection_boxes", "detection_scores", "detection_classes")
# Endings of names with x1 y1 x2 y2: EfficientNMS, MMDetection, TensorRT, YOLO-NAS; MMYOLO's count.
_CORNERS_FIRST = ("det_boxes", "dets", "bboxes", "nmsed_boxes", "pred_boxes")
_CORNERS_FIRST_COUNT = "num_dets"
_SCORES, _CLASSES, _COUNTS = ("score", "conf"), ("class", "label", "cls"), ("num", "count")
_MOST_OBJECTS = 1000  # that a graph with its own suppression gives


def rows(name: str, shape: tuple[int, ...]) -> Iterator[Candidate]:
    """Of graphs that end with one row per object."""
    number, columns = shape
    if columns == 6 and number <= _MOST_OBJECTS:
        why = f"{name!r} has {number} rows of 6"
        yield Candidate("yolov10", YoloV10(output=name), f"{why}: a box, its score and its class")
        spec = Rows(name, _COLUMNS["paddle"])
        yield Candidate("paddle", spec, f"{why}: a class, its score and its box")
    if columns == 7 and number <= _MOST_OBJECTS:
        for form in ("yolov7-end2end", "yolo-nas-flat"):
            last = "its class and its score" if form == "yolov7-end2end" else "its score, its class"
            why = f"{name!r} has {number} rows of 7: a picture's number, a box, {last}"
            yield Candidate(form, Rows(name, _COLUMNS[form]), why)


def finished(seen: Outlook) -> Iterator[Candidate]:
    """Of graphs with suppression: boxes, scores, classes and perhaps their number."""
    if seen.has_sizes:
        return
    by_name = {base_name(name): name for name in seen.shapes}
    if all(key in by_name for key in _TENSORFLOW):
        yield _tensorflow(seen, by_name)
        return
    boxes = [name for name, shape in seen.shapes.items() if len(shape) == 2 and shape[1] in (4, 5)]
    if len(boxes) != 1 or len(seen.shapes) not in (2, 3, 4):
        return
    number, values = seen.shapes[boxes[0]]
    flat = [name for name, shape in seen.shapes.items() if shape == (number,) and name != boxes[0]]
    counts = [name for name, shape in seen.shapes.items() if shape in ((), (1,))]
    counts = [name for name in counts if _says(name, _COUNTS)]
    for scores, classes in _roles(seen, [name for name in flat if name not in counts], values):
        if len({boxes[0], scores, classes, *counts} - {None}) == len(seen.shapes):
            yield from _finished(seen, boxes[0], scores, classes, counts)


def _roles(seen: Outlook, flat: list[str], values: int) -> Iterator[tuple[str | None, str]]:
    """Which outputs may be scores and classes; scores are None where they are behind the boxes."""
    if values == 5:
        yield from ((None, name) for name in flat if len(flat) == 1)
        return
    for scores, classes in product(flat, flat):
        if scores == classes or scores in seen.whole_numbers or _says(scores, _CLASSES):
            continue
        if not _says(classes, _SCORES):
            yield scores, classes


def _finished(
    seen: Outlook, boxes: str, scores: str | None, classes: str, counts: list[str]
) -> Iterator[Candidate]:
    behind = "the score behind each" if scores is None else f"scores {scores!r}"
    why = f"boxes {boxes!r}, {behind}, classes {classes!r} of {seen.shapes[boxes][0]} objects"
    first, missing = _first_class(seen)
    known = scores is None or base_name(boxes).endswith(_CORNERS_FIRST)
    known = known or _CORNERS_FIRST_COUNT in map(base_name, counts)
    for order in ("xyxy",) if known else ("xyxy", "yxyx"):
        yield Candidate(
            "finished" if order == "xyxy" else "finished-yxyx",
            Finished(
                boxes=boxes,
                classes=classes,
                scores=scores,
                count=counts[0] if counts else None,
                order=order,  # type: ignore[arg-type] # one of its words
                first_class=first,  # type: ignore[arg-type] # 0 or 1
            ),
            f"{why}, {'x1 y1 x2 y2' if order == 'xyxy' else 'y1 x1 y2 x2'}",
            missing=missing,
        )


def _first_class(seen: Outlook) -> tuple[int, tuple[str, ...]]:
    if seen.wishes.first_class is not None:
        return seen.wishes.first_class, ()
    return 0, ("whether classes are numbered from 0 or from 1: say --first-class 0 or 1",)


def _tensorflow(seen: Outlook, by_name: dict[str, str]) -> Candidate:
    said = seen.wishes.first_class
    first = 1 if said is None else said
    text = f"classes are numbered from {first}, as TensorFlow does (--first-class)"
    boxes, scores, classes = (by_name[key] for key in _TENSORFLOW)
    return Candidate(
        "tensorflow",
        Finished(
            boxes=boxes,
            classes=classes,
            scores=scores,
            count=by_name.get("num_detections"),
            order="yxyx",
            units="fractions",
            first_class=first,  # type: ignore[arg-type] # 0 or 1
        ),
        f"{boxes!r}, {scores!r} and {classes!r} are those of TensorFlow's Object Detection API",
        assumed=() if said is not None else (text,),
    )


def boxes_and_scores(seen: Outlook) -> Iterator[Candidate]:
    """Of decoded heads: boxes (places, 4), scores (places, classes) or (classes, places)."""
    for boxes, scores in boxes_and_others(seen.shapes):
        if seen.shapes[boxes][1:] in ((4,), (1, 4)):
            for background, layout in product((False, True), ("places-first", "classes-first")):
                yield from _boxes_scores(seen, (boxes, scores), layout, background=background)


def _boxes_scores(
    seen: Outlook, names: tuple[str, str], layout: str, *, background: bool
) -> Iterator[Candidate]:
    boxes, scores = names
    places, classes = seen.shapes[boxes][0], seen.labels + background
    if seen.shapes[scores] != (
        (places, classes) if layout == "places-first" else (classes, places)
    ):
        return
    for order in ("xyxy", "cxcywh"):
        corners = "two corners" if order == "xyxy" else "centre and size"
        yield Candidate(
            "boxes-scores",
            BoxesScores(
                boxes=boxes,
                scores=scores,
                order=order,
                layout=layout,  # type: ignore[arg-type] # one of its words
                background=background,
            ),
            f"{boxes!r} has {places} boxes ({corners}), {scores!r} as many times"
            f" {seen.labels} classes{' and the background' if background else ''}",
            seen.labels,
        )


def _says(name: str, words: tuple[str, ...]) -> bool:
    return any(word in base_name(name) for word in words)
