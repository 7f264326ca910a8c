"""A manifest for somebody's ONNX file: what its graph shows, and what has to be assumed.

Nothing is guessed in silence. Where the graph fits two formats or none, the answer is an error that
says what was seen and asks for a flag; what no graph tells (colour, scale, letterbox, threshold) is
assumed as it is usual, and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inference_worker.adding.candidate import Candidate
from inference_worker.adding.graph import Graph
from inference_worker.adding.habits import assumptions, habits_of
from inference_worker.adding.inputs import Inputs, find_inputs
from inference_worker.adding.labels import labels_in_metadata, read_labels
from inference_worker.adding.read import read_graph
from inference_worker.adding.runs import fed
from inference_worker.adding.settle import settle_format
from inference_worker.adding.wishes import Wishes
from inference_worker.admission import synthetic_pictures
from inference_worker.backends.base import Image
from inference_worker.manifest import NAME_PATTERN, Manifest, Part, Weights
from inference_worker.store import sha256_of
from runtime.errors import UserError

_PICTURES = 4  # that a graph is tried on
# SPDX's word for a licence that nobody has named.
NO_LICENCE = "NOASSERTION"


@dataclass(frozen=True)
class Proposal:
    """A manifest and what it rests on, in lines for people."""

    manifest: Manifest
    graph: Graph  # whose files are to be copied
    evidence: tuple[str, ...]
    assumptions: tuple[str, ...]
    objections: tuple[str, ...]  # against a format that the user insists on


def check_name(name: str) -> None:
    """Raises UserError for one that a model can't have."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise UserError(
            f"--name {name!r}: expected up to 64 of a-z, 0-9, '.', '_' and '-', the first one a"
            " letter or a digit"
        )


def propose(path: Path, wishes: Wishes, pictures: Sequence[Image] = ()) -> Proposal:
    """Read the graph, try it on pictures, and settle what its manifest says.

    `pictures`: with something to see, BGR; without any it is tried on synthetic ones.

    Raises UserError if the file is no graph that can be served, or a flag is needed.
    """
    check_name(wishes.name)
    graph = read_graph(path)
    task = graph.metadata.get("task", "detect")
    if task != "detect":
        raise UserError(
            f"{path}: is made for the task {task!r} by its metadata, not 'detect': only upright"
            " boxes with a class are read"
        )
    inputs = find_inputs(graph, wishes.size)
    labels, source = _labels(graph, wishes)
    wishes = replace(wishes, anchors=wishes.anchors or graph.anchors)
    chosen, findings = settle_format(
        graph, inputs, labels, wishes, pictures[:_PICTURES] or synthetic_pictures(6)[2:]
    )
    habits = habits_of(chosen.name, wishes, inputs.dtype)
    size = f"{inputs.width} x {inputs.height}"
    manifest = Manifest(
        name=wishes.name,
        about=wishes.about or f"{chosen.name}, {size}, {len(labels)} classes",
        licence=wishes.licence or graph.metadata.get("license") or NO_LICENCE,
        origin=wishes.origin or path.name,
        weights=(_weights(graph),),
        input=fed(inputs, chosen, wishes),
        output=chosen.spec,
        labels=labels,
        score_threshold=habits.score_threshold,
        nms=habits.nms,
    )
    return Proposal(
        manifest,
        graph,
        (*graph.notes, *inputs.evidence, chosen.why, *findings.evidence, source),
        (*assumptions(habits, wishes), *_more(manifest, inputs, chosen, wishes)),
        findings.objections,
    )


def _weights(graph: Graph) -> Weights:
    path = graph.weights
    beside = tuple(Part(name, sha256_of(path.parent / name)) for name in graph.beside)
    return Weights(file=path.name, sha256=sha256_of(path), beside=beside)


def _labels(graph: Graph, wishes: Wishes) -> tuple[tuple[str, ...], str]:
    """The labels and where they are from."""
    exported = labels_in_metadata(graph.metadata)
    if wishes.labels is not None:
        labels = read_labels(wishes.labels)
        return labels, f"{len(labels)} labels by --labels {wishes.labels}"
    if exported is None:
        raise UserError(
            f"{graph.path}: has no labels in it; say --labels coco, or --labels FILE with one label"
            " per line, in the order of the classes (coco90: with the numbers that COCO left out)"
        )
    return exported, f"{len(exported)} labels by the metadata's names"


def _more(manifest: Manifest, inputs: Inputs, chosen: Candidate, wishes: Wishes) -> Iterator[str]:
    """What else is taken as given."""
    if chosen.classes is None:
        yield f"its classes are the {len(manifest.labels)} labels: no shape tells how many it has"
    yield from chosen.assumed
    if inputs.sizes is not None and inputs.width != inputs.height:
        yield f"{inputs.sizes!r} wants the width first"
    if manifest.licence == NO_LICENCE:
        yield "no licence is named (--licence)"
    elif wishes.licence is None:
        yield f"the licence is the metadata's, {manifest.licence!r} (--licence)"
