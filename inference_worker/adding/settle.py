"""Which output format a graph has: one that its shapes fit and its answer does not contradict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference_worker.adding.answer import Answer
from inference_worker.adding.candidate import Candidate, Outlook
from inference_worker.adding.graph import Graph, shape_text
from inference_worker.adding.habits import FEEDINGS, feeding_of, habits_of
from inference_worker.adding.inputs import Inputs
from inference_worker.adding.probe import probe
from inference_worker.adding.recognise import candidates
from inference_worker.adding.refine import described, refined
from inference_worker.adding.values import Findings
from inference_worker.adding.wishes import Wishes
from inference_worker.formats import YoloAnchors
from inference_worker.manifest import Input
from inference_worker.preprocess import Image, Preprocessor, also_told
from runtime.errors import UserError


@dataclass(frozen=True)
class _Tried:
    candidate: Candidate
    findings: Findings


def settle_format(
    graph: Graph, inputs: Inputs, labels: int, wishes: Wishes, pictures: Sequence[Image]
) -> tuple[Candidate, Findings]:
    """The format, what speaks for it and, if the user insists on it, what against it.

    Raises UserError with the evidence if none fits, several do, or something has to be said.
    """
    plain = Input(inputs.width, inputs.height, inputs.layout, "rgb", dtype=inputs.dtype)
    answer = _answer(graph, inputs, plain, pictures)
    shapes = {name: array.shape for name, array in answer.items()}
    whole = [name for name, array in answer.items() if array.dtype.kind in "iu"]
    size = inputs.width, inputs.height
    outlook = Outlook(shapes, whole, size, inputs.sizes is not None, labels, wishes)
    outputs = ", ".join(f"{name!r} {shape_text((None, *shape))}" for name, shape in shapes.items())
    fitting = _asked_for(graph, candidates(outlook), outputs, wishes)
    tried = [_try(graph, inputs, one, (labels, wishes, pictures)) for one in fitting]
    good = [one for one in tried if not one.findings.objections]
    if wishes.format:  # the user knows better, but not how many classes there are
        insisted = [one for one in tried if one.candidate.classes in (None, labels)]
        good = good or (insisted if len(insisted) == 1 else [])
    good = _most_decoded(good)
    if len(good) != 1:
        raise UserError(_unsettled(graph, tried, good, outputs, wishes))
    (chosen,) = good
    _ask(graph, chosen.candidate, inputs, wishes)
    more = tuple(described(chosen.candidate))
    evidence = tuple(dict.fromkeys((*chosen.findings.evidence, *more)))
    return chosen.candidate, Findings(evidence, chosen.findings.objections)


def fed(inputs: Inputs, candidate: Candidate, wishes: Wishes) -> Input:
    """How a model of this format is fed."""
    habits = habits_of(candidate.name, wishes, inputs.dtype)
    return Input(
        width=inputs.width,
        height=inputs.height,
        layout=inputs.layout,
        colour=habits.colour,
        mean=habits.mean,
        std=habits.std,
        name=inputs.name,
        sizes=inputs.sizes,
        also=inputs.also,
        letterbox=habits.letterbox,
        dtype=inputs.dtype,
    )


def _answer(graph: Graph, inputs: Inputs, spec: Input, pictures: Sequence[Image]) -> Answer:
    """The one of those to some pictures that has most in it, without the batch."""
    answers = []
    for picture in pictures:
        tensor, _ = Preprocessor(spec)([picture])
        tensors = {inputs.name: tensor, **also_told(spec_with(spec, inputs), 1)}
        answers.append({name: array[0] for name, array in graph.answer(tensors).items()})
    return max(answers, key=lambda one: sum(np.count_nonzero(array) for array in one.values()))


def spec_with(spec: Input, inputs: Inputs) -> Input:
    """The same with the graph's further inputs."""
    return Input(spec.width, spec.height, spec.layout, "rgb", sizes=inputs.sizes, also=inputs.also)


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


def _try(
    graph: Graph,
    inputs: Inputs,
    candidate: Candidate,
    given: tuple[int, Wishes, Sequence[Image]],
) -> _Tried:
    labels, wishes, pictures = given
    if candidate.classes not in (None, labels):
        text = f"--labels would have to name {candidate.classes} classes, and names {labels}"
        return _Tried(candidate, Findings(objections=(text,)))
    answer = _answer(graph, inputs, fed(inputs, candidate, wishes), pictures)
    known = refined(candidate, answer, labels)
    return _Tried(known, probe(known, answer, (inputs.width, inputs.height), labels))


def _most_decoded(good: list[_Tried]) -> list[_Tried]:
    """Older exports of YOLOv5 have their undecoded heads beside the decoded output."""
    decoded = [one for one in good if not isinstance(one.candidate.spec, YoloAnchors)]
    return decoded or good


def _unsettled(
    graph: Graph, tried: Sequence[_Tried], good: Sequence[_Tried], outputs: str, wishes: Wishes
) -> str:
    lines = [f"  {one.candidate.name}: {_text(one)}" for one in tried]
    what = "fits none of the known formats" if not good else "fits several formats"
    ask = "" if wishes.format else "; say which it is by --format, if you know"
    if good:
        ask += "; pictures with something to see, by --frames, may tell them apart"
    return "\n".join([f"{graph.path}: {what}{ask}", *lines, f"  its outputs: {outputs}"])


def _ask(graph: Graph, candidate: Candidate, inputs: Inputs, wishes: Wishes) -> None:
    """Raises UserError for what neither the graph nor a habit tells, all at once."""
    missing = list(candidate.missing)
    if not wishes.feeding and feeding_of(candidate.name, wishes, inputs.dtype) is None:
        known = ", ".join(FEEDINGS)
        missing.append(
            "how pictures are fed to it, which differs between repositories with this format: say"
            f" --fed-as {known}; or all of --colour, --mean, --std and --letterbox"
        )
    if missing:
        lines = [f"  {text}" for text in missing]
        raise UserError(
            "\n".join(
                [
                    f"{graph.path}: is of the format {candidate.name} ({candidate.why}), but this"
                    " can't be seen in the graph:",
                    *lines,
                ]
            )
        )


def _text(one: _Tried) -> str:
    against = "; ".join(one.findings.objections)
    return f"{one.candidate.why}{f'; but {against}' if against else ''}"
