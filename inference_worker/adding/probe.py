"""Whether a graph's answer to a picture can be what a format says: the values, not the shapes.

Two formats may have the same shapes. What tells them apart is what numbers mean: centres that are
on the grid rise from cell to cell, scores after the sigmoid lie between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from inference_worker import formats
from inference_worker.adding import values
from inference_worker.adding.answer import Answer, floats
from inference_worker.adding.candidate import Candidate
from inference_worker.adding.refine import boxes_of, columns_of, counted, objects
from inference_worker.adding.values import Findings, against

Size = tuple[int, int]
# Of an objectness that only fills its place, as YOLOv6 has it, the distance from 1.
_ALL_ONE = 1e-3
# Logits and offsets of heads stay within; what is beyond is decoded already.
_LARGEST_RAW = 60.0


def probe(candidate: Candidate, answer: Answer, size: Size, labels: int) -> Findings:
    """Hold an answer against a format. `size`: width and height of the input in pixels."""
    checks = _CHECKS[type(candidate.spec)]
    found = [values.finite(answer), *checks(candidate, candidate.spec, answer, size, labels)]
    return Findings(
        tuple(dict.fromkeys(text for one in found for text in one.evidence)),
        tuple(dict.fromkeys(text for one in found for text in one.objections)),
    )


Check = Callable[[Candidate, Any, Answer, Size, int], Iterator[Findings]]


def _detr(
    _: Candidate, spec: formats.Detr, answer: Answer, size: Size, labels: int
) -> Iterator[Findings]:
    yield values.scores(answer[spec.scores])
    yield values.corner_boxes(floats(answer[spec.boxes]), size, "pixels")
    yield values.class_numbers(answer[spec.labels], labels)


def _queries(
    _: Candidate, spec: formats.DetrLogits, answer: Answer, size: Size, labels: int
) -> Iterator[Findings]:
    logits = floats(answer[spec.logits])
    yield values.sized_boxes(floats(answer[spec.boxes]), size, "fractions")
    if logits.min() >= 0 and logits.max() <= 1:
        yield against("its logits lie within 0 and 1: they are scores already")
    if spec.activation == "sigmoid" and logits.shape[1] == labels:
        return
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    nothing = float(np.median(weights[:, -1] / weights.sum(axis=1)))
    seen = f"by a softmax half of the queries have {nothing:.2f} or more of no object"
    # A softmax doesn't care how large its numbers are; a sigmoid that has learnt to see nothing
    # in most places has none above 0 there.
    softmax = nothing > 0.5 and float(np.median(logits[:, -1])) > 0
    if (spec.activation == "softmax") == softmax:
        yield Findings(evidence=(seen,))
    else:
        yield against(seen)


def _rows(
    candidate: Candidate, spec: formats.YoloV10 | formats.Rows, answer: Answer, size: Size, n: int
) -> Iterator[Findings]:
    columns, rows = columns_of(spec), objects(spec, answer)
    if len(boxes_of(candidate, answer, all_rows=True)) and not len(rows):
        yield against("rows have a box, and what should be their score is 0")
    first = spec.first_class if isinstance(spec, formats.Rows) else 0
    yield values.scores(rows[:, columns.index("score")])
    yield values.corner_boxes(boxes_of(candidate, answer), size, spec.units)
    yield values.class_numbers(rows[:, columns.index("class")], n, first)
    if "image" in columns and rows[:, columns.index("image")].any():
        yield against("what should be the picture's number is not 0")


def _finished(
    candidate: Candidate, spec: formats.Finished, answer: Answer, size: Size, labels: int
) -> Iterator[Findings]:
    some = counted(spec, answer)
    scores = answer[spec.scores] if spec.scores else answer[spec.boxes][:, 4]
    yield values.scores(scores[some])
    yield values.corner_boxes(boxes_of(candidate, answer), size, spec.units)
    yield values.class_numbers(answer[spec.classes][some], labels, spec.first_class)


def _boxes_scores(
    candidate: Candidate, spec: formats.BoxesScores, answer: Answer, size: Size, _: int
) -> Iterator[Findings]:
    yield values.scores(answer[spec.scores])
    scores = floats(answer[spec.scores])
    scores = scores if spec.layout == "places-first" else scores.T
    if spec.background:
        yield values.background(scores[:, 0])
    yield values.few_objects(scores[:, int(spec.background) :])
    check = values.corner_boxes if spec.order == "xyxy" else values.sized_boxes
    yield check(boxes_of(candidate, answer), size, spec.units)


def _yolox(
    candidate: Candidate, spec: formats.Yolox, answer: Answer, size: Size, _: int
) -> Iterator[Findings]:
    rows = floats(answer[spec.output])
    yield values.scores(rows[:, 4:])
    yield values.centred_boxes(rows[:, :4], candidate, size, "pixels")
    if spec.decoded and (np.abs(rows[:, 4] - 1) < _ALL_ONE).all():
        yield against("objectness is 1 everywhere, as in YOLOv6")


def _yolov5(
    candidate: Candidate, spec: formats.YoloV5, answer: Answer, size: Size, _: int
) -> Iterator[Findings]:
    rows = floats(answer[spec.output])
    yield values.scores(rows[:, 4:])
    yield values.centred_boxes(rows[:, :4], candidate, size, spec.units)
    if candidate.name == "yolov6" and not (np.abs(rows[:, 4] - 1) < _ALL_ONE).all():
        yield against("objectness is not 1 everywhere, as it is in YOLOv6")


def _yolov8(
    candidate: Candidate, spec: formats.YoloV8, answer: Answer, size: Size, _: int
) -> Iterator[Findings]:
    rows = floats(answer[spec.output])
    rows = rows.T if spec.layout == "values-first" else rows
    yield values.scores(rows[:, 4:])
    if candidate.strides:
        yield values.centred_boxes(rows[:, :4], candidate, size, spec.units)
    else:
        yield values.sized_boxes(rows[:, :4], size, spec.units)


def _nanodet(
    _: Candidate, spec: formats.Nanodet, answer: Answer, __: Size, ___: int
) -> Iterator[Findings]:
    yield from (values.scores(answer[name]) for name in spec.scores)


def _nanodet_plus(
    _: Candidate, spec: formats.NanodetPlus, answer: Answer, __: Size, labels: int
) -> Iterator[Findings]:
    yield values.scores(answer[spec.output][:, :labels])


def _fastestdet(
    _: Candidate, spec: formats.FastestDet, answer: Answer, __: Size, ___: int
) -> Iterator[Findings]:
    raw = floats(answer[spec.output])
    yield values.scores(raw[0])
    yield values.scores(raw[5:])
    if np.abs(raw[5:].sum(axis=0) - 1).max() < 0.02:
        yield Findings(evidence=("the classes of each cell add up to 1",))
    else:
        yield against("the classes of a cell do not add up to 1")


def _anchors(
    _: Candidate, spec: formats.YoloAnchors, answer: Answer, __: Size, ___: int
) -> Iterator[Findings]:
    largest = max(float(np.abs(floats(answer[name])).max()) for name in spec.outputs)
    if largest > _LARGEST_RAW:
        yield against(f"has numbers of {largest:.0f}: its boxes are decoded already")


def _ssd(_: Candidate, spec: formats.Ssd, answer: Answer, __: Size, ___: int) -> Iterator[Findings]:
    boxes = floats(answer[spec.boxes])
    if boxes.min() >= -0.5 and boxes.max() <= 1.5:
        yield against("its boxes lie on the picture: they are decoded already")


_CHECKS: dict[type, Check] = {
    formats.Detr: _detr,
    formats.DetrLogits: _queries,
    formats.YoloV10: _rows,
    formats.Rows: _rows,
    formats.Finished: _finished,
    formats.BoxesScores: _boxes_scores,
    formats.Yolox: _yolox,
    formats.YoloV5: _yolov5,
    formats.YoloV8: _yolov8,
    formats.Nanodet: _nanodet,
    formats.NanodetPlus: _nanodet_plus,
    formats.FastestDet: _fastestdet,
    formats.YoloAnchors: _anchors,
    formats.Ssd: _ssd,
}
