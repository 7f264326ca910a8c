"""What a format leaves open and a graph's answer shows: units, activation, the first class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference_worker.adding.answer import Answer, Floats, floats
from inference_worker.adding.candidate import Candidate
from inference_worker.formats import (
    BoxesScores,
    DetrLogits,
    Finished,
    Rows,
    Ssd,
    YoloAnchors,
    YoloV5,
    YoloV8,
    YoloV10,
)

# No box of a picture ends within two pixels of its corner; fractions seldom go beyond it.
_FRACTIONS_UP_TO = 2.0
_TOLERANCE = 2e-3  # of scores, for float16
_SEEN = 0.0  # the logit of a score of a half, from which on a query has certainly seen something
_SPARE = (
    "whether the first or the last of its numbers is for nothing: say --first-class 1 if it is the"
    " first (models of COCO's 90 numbers), --first-class 0 if it is the last"
)
_NOTHING_SEEN = (
    "the answer has no box in it that shows whether boxes are in pixels or in fractions: give"
    " pictures with something to see by --frames"
)


def refined(
    candidate: Candidate, answer: Answer, labels: int, first_class: int | None = None
) -> Candidate:
    """The candidate with what its answer shows, for a model with so many labels.

    `first_class`: as the user says.
    """
    spec = candidate.spec
    if isinstance(spec, DetrLogits) and spec.spare:
        return _spare_number(candidate, spec, answer, first_class)
    if isinstance(spec, YoloAnchors | Ssd):
        return replace(candidate, spec=_activation(spec, answer))
    if isinstance(spec, Finished):
        candidate = _first_class(candidate, spec, answer, labels)
    if not isinstance(spec, YoloV5 | YoloV8 | YoloV10 | Rows | Finished | BoxesScores):
        return candidate
    boxes = boxes_of(candidate, answer)
    if not boxes.any():
        return replace(candidate, missing=(*candidate.missing, _NOTHING_SEEN))
    units = "fractions" if np.abs(boxes).max() <= _FRACTIONS_UP_TO else "pixels"
    return replace(candidate, spec=msgspec.structs.replace(candidate.spec, units=units))


def boxes_of(candidate: Candidate, answer: Answer, *, all_rows: bool = False) -> Floats:
    """(n, 4): the boxes in an answer that are of something, in the order of their columns.

    `all_rows`: those too that have no score.
    """
    spec = candidate.spec
    match spec:
        case YoloV8(layout="values-first"):
            return floats(answer[spec.output])[:4].T
        case YoloV5() | YoloV8():
            return floats(answer[spec.output])[:, :4]
        case YoloV10() | Rows():
            rows, columns = objects(spec, answer, all_rows=all_rows), columns_of(spec)
            return rows[:, [columns.index(key) for key in ("x1", "y1", "x2", "y2")]]
        case Finished():
            return floats(answer[spec.boxes])[counted(spec, answer), :4]
        case BoxesScores():
            return floats(answer[spec.boxes]).reshape(-1, 4)
    return np.zeros((0, 4))


def columns_of(spec: YoloV10 | Rows) -> tuple[str, ...]:
    """What stands in each column of a row."""
    return spec.columns if isinstance(spec, Rows) else ("x1", "y1", "x2", "y2", "score", "class")


def objects(spec: YoloV10 | Rows, answer: Answer, *, all_rows: bool = False) -> Floats:
    """The rows that are of something: the rest is padding. `all_rows`: even without a score."""
    rows = floats(answer[spec.output])
    corners = [columns_of(spec).index(key) for key in ("x1", "y1", "x2", "y2")]
    seen = (rows[:, corners] != rows[:, corners[:1]]).any(axis=1)
    scored = rows[:, columns_of(spec).index("score")] > 0
    return np.asarray(rows[seen & (scored | all_rows)])


def counted(spec: Finished, answer: Answer) -> NDArray[np.bool_]:
    """Which objects are some: within the count, and with a score."""
    boxes = floats(answer[spec.boxes])
    scores = floats(answer[spec.scores]) if spec.scores else boxes[:, 4]
    number = len(boxes)
    if spec.count is not None:
        number = int(floats(answer[spec.count]).reshape(-1)[0])
    return np.asarray((np.arange(len(boxes)) < number) & (scores > 0))


def _spare_number(
    candidate: Candidate, spec: DetrLogits, answer: Answer, said: int | None
) -> Candidate:
    """Which of the numbers is for nothing: the first or the last, as the other one is of something.

    DETR's own numbers of COCO leave out the first, RF-DETR's of other data the last.
    """
    logits = floats(answer[spec.logits])
    seen = set(logits.argmax(axis=1)[logits.max(axis=1) > _SEEN].tolist())
    ends = {0: 0, logits.shape[1] - 1: 1}
    shown = {first for number, first in ends.items() if number in seen}
    if said is None and len(shown) != 1:
        return replace(candidate, missing=(*candidate.missing, _SPARE))
    first = said if said is not None else shown.pop()
    known = msgspec.structs.replace(spec, first_class=first, spare=1 - first)
    text = f"{candidate.why}, the {'first' if first else 'last'} one"
    return replace(candidate, spec=known, why=text)


def _activation(spec: YoloAnchors | Ssd, answer: Answer) -> YoloAnchors | Ssd:
    names = spec.outputs if isinstance(spec, YoloAnchors) else (spec.scores,)
    if isinstance(spec, YoloAnchors) and spec.coding == "yolov3":
        return spec
    done = all(_within(floats(answer[name])) for name in names)
    return msgspec.structs.replace(spec, activated=done)


def _first_class(candidate: Candidate, spec: Finished, answer: Answer, labels: int) -> Candidate:
    """A class 0 shows that they begin there, one of as many as there are labels that they don't."""
    classes = floats(answer[spec.classes])[counted(spec, answer)]
    asked = [text for text in candidate.missing if "--first-class" in text]
    if not asked or not {0.0, float(labels)} & set(classes.tolist()):
        return candidate
    first = 0 if 0 in classes else 1
    return replace(
        candidate,
        spec=msgspec.structs.replace(spec, first_class=first),
        missing=tuple(text for text in candidate.missing if text not in asked),
        why=f"{candidate.why}, classes from {first}",
    )


def _within(array: Floats) -> bool:
    low, high = array.min(initial=0.0), array.max(initial=0.0)
    return bool(low >= -_TOLERANCE and high <= 1 + _TOLERANCE)


def described(candidate: Candidate) -> Iterator[str]:
    """What was found of it, in lines for people."""
    spec = candidate.spec
    if isinstance(spec, YoloV5 | YoloV8 | YoloV10 | Rows | Finished | BoxesScores):
        text = "pixels of the input" if spec.units == "pixels" else "fractions of the picture"
        yield f"boxes are in {text}"
    if isinstance(spec, YoloAnchors | Ssd):
        yield "scores are after the sigmoid" if spec.activated else "scores are before the sigmoid"
