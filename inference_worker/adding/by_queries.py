"""The DETR family: one answer per query, before or after its post-processor."""

from __future__ import annotations

from collections.abc import Iterator

from inference_worker.adding.candidate import Candidate, Outlook, base_name
from inference_worker.formats import Detr, DetrLogits

# Names of logits and boxes: Transformers, the repositories, RF-DETR.
_PAIRS = (
    ("logits", "pred_boxes"),
    ("pred_logits", "pred_boxes"),
    ("logits", "boxes"),
    ("pred_logits", "boxes"),
    ("labels", "dets"),
)


def detr(seen: Outlook) -> Iterator[Candidate]:
    """Of RT-DETR, D-FINE, DEIM with their post-processor: labels, boxes, scores."""
    shapes = seen.shapes
    boxes = [name for name, shape in shapes.items() if len(shape) == 2 and shape[1] == 4]
    flat = [name for name, shape in shapes.items() if len(shape) == 1]
    labels = [name for name in flat if name in seen.whole_numbers]
    scores = [name for name in flat if name not in seen.whole_numbers]
    if not seen.has_sizes or len(shapes) != 3:
        return
    if not len(boxes) == len(labels) == len(scores) == 1:
        return
    queries = shapes[boxes[0]][0]
    if shapes[labels[0]] == shapes[scores[0]] == (queries,):
        yield Candidate(
            "detr",
            Detr(labels=labels[0], boxes=boxes[0], scores=scores[0]),
            f"labels {labels[0]!r}, boxes {boxes[0]!r} and scores {scores[0]!r} of {queries}"
            " objects, and an input for the picture's size",
        )


def queries(seen: Outlook) -> Iterator[Candidate]:
    """Before the post-processor: logits and boxes."""
    found = {base_name(name): name for name in seen.shapes}
    pairs = [(found[a], found[b]) for a, b in _PAIRS if a in found and b in found]
    logits, boxes = pairs[0] if pairs else ("", "")
    if not pairs or len(seen.shapes[logits]) != 2:
        return
    number, classes = seen.shapes[logits]
    if seen.shapes[boxes] != (number, 4):
        return
    why = f"{logits!r} has {classes} numbers for each of {number} queries, {boxes!r} a box"
    more = classes - seen.labels
    if more in (0, 1):
        sigmoid = DetrLogits(logits, boxes, spare=more)  # type: ignore[arg-type] # 0 or 1
        text = f"{why}: {seen.labels} labels" + (" and one number for nothing" if more else "")
        yield Candidate("detr-sigmoid", sigmoid, text, seen.labels)
    if more in (1, 2):
        first = more - 1
        softmax = DetrLogits(logits, boxes, "softmax", first)  # type: ignore[arg-type] # as above
        text = f"{why}: {seen.labels} labels, no object"
        text += ", the first number for nothing" if first else ""
        yield Candidate("detr-softmax", softmax, text, seen.labels)
