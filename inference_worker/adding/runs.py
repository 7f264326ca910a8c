"""Runs a graph on pictures, fed as a format is or may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inference_worker.adding.answer import Answer
from inference_worker.adding.candidate import Candidate
from inference_worker.adding.graph import Graph
from inference_worker.adding.habits import feeding_of, habits_of
from inference_worker.adding.inputs import Inputs
from inference_worker.adding.wishes import Wishes
from inference_worker.backends.base import Image
from inference_worker.manifest import Input
from inference_worker.preprocess import Preprocessor, also_told

# Where nothing tells how a graph is fed: as bytes, and as fractions. In the wrong one of these two
# it may see nothing at all; colours and shape move only how much it sees.
_EITHER = ("tensorflow", "rtdetr")


class Runs:
    """A graph and the pictures that it is tried on. Each way to feed it is run once."""

    def __init__(self, graph: Graph, inputs: Inputs, pictures: Sequence[Image]) -> None:
        self._graph, self._inputs, self._pictures = graph, inputs, pictures
        self._known: dict[Input, Answer] = {}

    def plain(self) -> Answer:
        """To pictures as they are, for names, shapes and types."""
        return self._answer(
            Input(
                self._inputs.width,
                self._inputs.height,
                self._inputs.layout,
                "rgb",
                sizes=self._inputs.sizes,
                also=self._inputs.also,
                dtype=self._inputs.dtype,
            ),
            self._pictures[:1],
        )

    def answer(self, candidate: Candidate, wishes: Wishes) -> Answer:
        """Fed as models of this format are; where nothing tells how, that which sees most."""
        told = wishes.feeding or feeding_of(candidate.name, wishes, self._inputs.dtype) is not None
        ways = [wishes] if told else [replace(wishes, fed_as=name) for name in _EITHER]
        answers = [self._fed_as(fed(self._inputs, candidate, way)) for way in ways]
        return max(answers, key=_content)

    def _fed_as(self, spec: Input) -> Answer:
        if spec not in self._known:
            self._known[spec] = self._answer(spec, self._pictures)
        return self._known[spec]

    def _answer(self, spec: Input, pictures: Sequence[Image]) -> Answer:
        """The one of those to some pictures that has most in it, without the batch."""
        answers = []
        for picture in pictures:
            tensor, _ = Preprocessor(spec)([picture])
            tensors = {self._inputs.name: tensor, **also_told(spec, 1)}
            found = self._graph.answer(tensors).items()
            answers.append({name: array[0] for name, array in found})
        return max(answers, key=_content)


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


def _content(answer: Answer) -> int:
    return sum(int(np.count_nonzero(array)) for array in answer.values())
