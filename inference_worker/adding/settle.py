"""Which output format a graph has: one that its shapes fit and its answer does not contradict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference_worker.adding.candidate import Candidate, Outlook
from inference_worker.adding.doubts import doubts
from inference_worker.adding.graph import Graph, shape_text
from inference_worker.adding.inputs import Inputs
from inference_worker.adding.probe import probe
from inference_worker.adding.recognise import candidates
from inference_worker.adding.refine import described, refined
from inference_worker.adding.runs import Runs
from inference_worker.adding.values import Findings
from inference_worker.adding.wishes import Wishes
from inference_worker.backends.base import Image
from inference_worker.formats import YoloAnchors
from runtime.errors import UserError


@dataclass(frozen=True)
class _Tried:
    candidate: Candidate
    findings: Findings


def settle_format(
    graph: Graph,
    inputs: Inputs,
    labels: Sequence[str],
    wishes: Wishes,
    pictures: Sequence[Image],
) -> tuple[Candidate, Findings]:
    """The format, what speaks for it and, if the user insists on it, what against it.

    Raises UserError with the evidence if none fits, several do, or something has to be said.
    """
    runs = Runs(graph, inputs, pictures)
    answer = runs.plain()
    shapes = {name: answer[name].shape for name in _looked_at(graph, wishes)}
    whole = [name for name in shapes if answer[name].dtype.kind in "iu"]
    size = inputs.width, inputs.height
    outlook = Outlook(shapes, whole, size, inputs.sizes is not None, len(labels), wishes)
    outputs = ", ".join(f"{name!r} {shape_text((None, *shape))}" for name, shape in shapes.items())
    _no_masks(graph, outlook)
    fitting = _asked_for(graph, candidates(outlook), outputs, wishes)
    tried = [_try(runs, one, outlook) for one in fitting]
    good = [one for one in tried if not one.findings.objections]
    if wishes.format:  # the user knows better, but not how many classes there are
        insisted = [one for one in tried if one.candidate.classes in (None, len(labels))]
        good = good or (insisted if len(insisted) == 1 else [])
    good = _most_decoded(good)
    if len(good) != 1:
        raise UserError(_unsettled(graph, tried, good, outputs, (len(labels), wishes)))
    (chosen,) = good
    _ask(graph, chosen.candidate, tuple(doubts(graph, chosen.candidate, inputs, labels, wishes)))
    more = tuple(described(chosen.candidate))
    evidence = tuple(dict.fromkeys((*chosen.findings.evidence, *more)))
    return chosen.candidate, Findings(evidence, chosen.findings.objections)


def _looked_at(graph: Graph, wishes: Wishes) -> list[str]:
    """Names of outputs. Raises UserError if the user names one that is not there."""
    there = [port.name for port in graph.outputs]
    if missing := [name for name in wishes.outputs if name not in there]:
        raise UserError(
            f"{graph.path}: --output {missing[0]}: its outputs are"
            f" {', '.join(map(str, graph.outputs))}"
        )
    return list(wishes.outputs) or there


def _no_masks(graph: Graph, seen: Outlook) -> None:
    """Raises UserError for YOLO's prototypes of masks: 32 maps of a quarter of the input's size."""
    width, height = seen.size
    for name, shape in seen.shapes.items():
        if shape == (32, height // 4, width // 4):
            raise UserError(
                f"{graph.path}: its output {name!r} holds parts of masks: a model for segmentation;"
                " only upright boxes with a class are read. Export a detector, or name the outputs"
                " with boxes, scores and classes by --output"
            )


def _asked_for(
    graph: Graph, fitting: Sequence[Candidate], outputs: str, wishes: Wishes
) -> list[Candidate]:
    if not fitting:
        raise UserError(
            f"{graph.path}: its outputs {outputs} are of no format that is known here: none has"
            " the rows of a YOLO or NanoDet grid, nor are they boxes with scores and classes, for"
            " as many classes as there are labels"
        )
    found = [one for one in fitting if wishes.format in (None, one.name)]
    if not found:
        others = ", ".join(dict.fromkeys(one.name for one in fitting))
        raise UserError(
            f"{graph.path}: --format {wishes.format}: does not fit the outputs {outputs};"
            f" these fit: {others}"
        )
    return found


def _try(runs: Runs, candidate: Candidate, seen: Outlook) -> _Tried:
    labels, wishes = seen.labels, seen.wishes
    if candidate.classes not in (None, labels):
        text = f"--labels would have to name {candidate.classes} classes, and names {labels}"
        if candidate.classes is not None and candidate.classes > labels:
            text += " (or it gives poses, masks or turned boxes besides, which are not read)"
        return _Tried(candidate, Findings(objections=(text,)))
    answer = runs.answer(candidate, wishes)
    known = refined(candidate, answer, labels, wishes.first_class)
    return _Tried(known, probe(known, answer, seen.size, labels))


def _most_decoded(good: list[_Tried]) -> list[_Tried]:
    """Older exports of YOLOv5 have their undecoded heads beside the decoded output."""
    decoded = [one for one in good if not isinstance(one.candidate.spec, YoloAnchors)]
    return decoded or good


def _unsettled(
    graph: Graph,
    tried: Sequence[_Tried],
    good: Sequence[_Tried],
    outputs: str,
    given: tuple[int, Wishes],
) -> str:
    labels, wishes = given
    lines = [f"  {one.candidate.name}: {_text(one)}" for one in tried]
    if not good and tried and all(one.candidate.classes not in (None, labels) for one in tried):
        what = f"fits no known format with {labels} labels; look at --labels"
        return "\n".join([f"{graph.path}: {what}", *lines, f"  its outputs: {outputs}"])
    what = "fits none of the known formats" if not good else "fits several formats"
    ask = "" if wishes.format else "; say which it is by --format, if you know"
    if good:
        ask += "; pictures with something to see, by --frames, may tell them apart"
        if len({one.candidate.name for one in good}) < len(good):
            ask += "; --output NAME, if only one of the outputs is to be looked at"
    return "\n".join([f"{graph.path}: {what}{ask}", *lines, f"  its outputs: {outputs}"])


def _ask(graph: Graph, candidate: Candidate, doubtful: Sequence[str]) -> None:
    """Raises UserError for what neither the graph nor a habit tells, all at once."""
    if doubtful:
        raise UserError(
            "\n".join(
                [
                    f"{graph.path}: is of the format {candidate.name} ({candidate.why}), but this"
                    " can't be seen in the graph:",
                    *(f"  {text}" for text in doubtful),
                ]
            )
        )


def _text(one: _Tried) -> str:
    against = "; ".join(one.findings.objections)
    return f"{one.candidate.why}{f'; but {against}' if against else ''}"
