"""Which output format a graph has: one that its shapes fit and its answer does not contradict."""

from __future__ import annotations

from collections.abc import Sequence

from inference_worker.adding.graph import Graph, shape_text
from inference_worker.adding.habits import Wishes, habits_of
from inference_worker.adding.inputs import Inputs
from inference_worker.adding.probe import Answer, Findings, probe
from inference_worker.adding.recognise import Candidate, candidates
from inference_worker.admission import synthetic_pictures
from inference_worker.manifest import Input
from inference_worker.preprocess import Preprocessor, told_sizes
from runtime.errors import UserError


def settle_format(
    graph: Graph, inputs: Inputs, labels: int, wishes: Wishes
) -> tuple[Candidate, Findings]:
    """The format, what speaks for it and, if the user insists on it, what against it.

    Raises UserError with the evidence if none fits, or several do.
    """
    size = inputs.width, inputs.height
    plain = Input(inputs.width, inputs.height, inputs.layout, "rgb", dtype=inputs.dtype)
    answer = _answer(graph, inputs, plain)
    shapes = {name: array.shape for name, array in answer.items()}
    whole = [name for name, array in answer.items() if array.dtype.kind in "iu"]
    fitting = candidates(shapes, whole, size, inputs.sizes is not None)
    outputs = ", ".join(f"{name!r} {shape_text((None, *shape))}" for name, shape in shapes.items())
    tried = [
        (one, _findings(graph, inputs, one, labels, wishes))
        for one in _asked_for(graph, fitting, outputs, wishes)
    ]
    good = [pair for pair in tried if not pair[1].objections]
    if wishes.format:  # the user knows better, but not how many classes there are
        good = [pair for pair in tried if pair[0].classes in (None, labels)]
    if len(good) == 1:
        return good[0]
    lines = [f"  {one.name}: {_text(one, findings)}" for one, findings in tried]
    what = "fits none of the known formats" if not good else "fits several formats"
    ask = "" if wishes.format else "; say which it is by --format, if you know"
    raise UserError("\n".join([f"{graph.path}: {what}{ask}", *lines]))


def fed(inputs: Inputs, candidate: Candidate, wishes: Wishes) -> Input:
    """How a model of this format is fed."""
    habits = habits_of(candidate.spec, wishes)
    return Input(
        width=inputs.width,
        height=inputs.height,
        layout=inputs.layout,
        colour=habits.colour,
        mean=habits.mean,
        std=habits.std,
        name=inputs.name,
        sizes=inputs.sizes,
        letterbox=habits.letterbox,
        dtype=inputs.dtype,
    )


def _answer(graph: Graph, inputs: Inputs, spec: Input) -> Answer:
    """To one picture, without the batch."""
    tensor, _ = Preprocessor(spec)(synthetic_pictures(3)[2:])
    tensors = {inputs.name: tensor}
    if inputs.sizes is not None:
        tensors[inputs.sizes] = told_sizes(spec, 1)
    return {name: array[0] for name, array in graph.answer(tensors).items()}


def _asked_for(
    graph: Graph, fitting: Sequence[Candidate], outputs: str, wishes: Wishes
) -> list[Candidate]:
    if not fitting:
        raise UserError(
            f"{graph.path}: its outputs {outputs} are of no format that is known here: none has"
            " the rows of a YOLO or NanoDet grid, nor are they labels, boxes and scores beside an"
            " input for the picture's size"
        )
    found = [one for one in fitting if wishes.format in (None, one.name)]
    if not found:
        others = ", ".join(dict.fromkeys(one.name for one in fitting))
        raise UserError(
            f"{graph.path}: --format {wishes.format}: does not fit the outputs {outputs};"
            f" these fit: {others}"
        )
    return found


def _findings(
    graph: Graph, inputs: Inputs, candidate: Candidate, labels: int, wishes: Wishes
) -> Findings:
    if candidate.classes not in (None, labels):
        text = f"--labels would have to name {candidate.classes} classes, and names {labels}"
        return Findings(objections=(text,))
    answer = _answer(graph, inputs, fed(inputs, candidate, wishes))
    return probe(candidate, answer, (inputs.width, inputs.height), labels)


def _text(candidate: Candidate, findings: Findings) -> str:
    against = f"; but {'; '.join(findings.objections)}" if findings.objections else ""
    return f"{candidate.why}{against}"
