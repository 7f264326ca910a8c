"""What every decoder does: a model's raw outputs in, candidate boxes out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference_worker.formats import Units
from runtime.errors import FatalError

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Candidates:
    """What one image may show, before non-maximum suppression, in no particular order.

    boxes: (n, 4) float32, xyxy, in fractions of the model's input, not clipped.
    scores: (n,) float32, 0..1, all above the floor that was asked for.
    classes: (n,), indices into the manifest's labels.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.intp]


class Decoder(Protocol):
    """Reads one output format; vectorised over the batch, holds nothing between calls."""

    def decode(
        self, outputs: Mapping[str, NDArray[np.float32]], score_floor: float
    ) -> list[Candidates]:
        """Candidates with a score above `score_floor`, one entry per image of the batch.

        Raises FatalError if the outputs don't have the names and shapes of this format.
        """
        ...


def output_of(outputs: Mapping[str, Floats], name: str, *shape: int | None) -> Floats:
    """The output of this name: `(batch, *shape)`, with None where any size will do.

    Raises FatalError if the model doesn't have it in this shape.
    """
    if name not in outputs:
        raise FatalError(f"the model has no output {name!r}; it has: {', '.join(outputs)}")
    found = outputs[name].shape[1:]
    if len(found) != len(shape) or any(
        wanted not in (None, size) for wanted, size in zip(shape, found, strict=True)
    ):
        wanted = ", ".join(str(size or "any") for size in ("batch", *shape))
        raise FatalError(
            f"the model's output {name!r} has the shape {outputs[name].shape};"
            f" its manifest asks for ({wanted})"
        )
    return outputs[name]


def by_image(
    batch: int,
    image: NDArray[np.intp],
    boxes: Floats,
    scores: Floats,
    classes: NDArray[np.intp],
) -> list[Candidates]:
    """What was found on a whole batch, image by image.

    `image`: (n,) the place in the batch of each box, rising.
    """
    cuts = np.searchsorted(image, np.arange(1, batch))
    parts = zip(*(np.split(array, cuts) for array in (boxes, scores, classes)), strict=True)
    return [Candidates(*part) for part in parts]


def class_numbers(values: Floats, name: str, labels: int, first: int = 0) -> NDArray[np.intp]:
    """Indices of the labels of classes that a graph gives as numbers, from `first` on.

    Raises FatalError for one that has no label.
    """
    classes = values.astype(np.intp) - first
    for extreme in (classes.min(initial=0), classes.max(initial=0)):
        if not 0 <= extreme < labels:
            raise FatalError(
                f"the model's output {name!r} has the class {extreme + first};"
                f" its manifest has {labels} labels, for the classes from {first}"
            )
    return classes


def corners(centres: Floats, sizes: Floats) -> Floats:
    """(n, 4) xyxy of boxes with these centres and sizes, (n, 2) each."""
    half = sizes / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def sigmoid(values: Floats) -> Floats:
    """Without a warning where a number is far below 0."""
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-values)), dtype=np.float32)


def logit(score: float) -> float:
    """What a score in 0..1 was before the sigmoid."""
    return math.log(score / (1.0 - score))


def unsqueezed(outputs: Mapping[str, Floats], axes: Mapping[str, int]) -> dict[str, Floats]:
    """The outputs, with the batch before those that lack it though they have one row.

    `axes`: how many an output has with the batch. Where a graph that squeezes the batch axis away
    finds one object, (1, 4) looks as if it had a batch of 1 already; where it finds more, the
    backends see that the first axis is no such batch, and put one before it.
    """
    return {
        name: array[None]
        if name in axes and array.ndim == axes[name] - 1 and len(array) == 1
        else array
        for name, array in outputs.items()
    }


def unit_scale(units: Units, width: int, height: int) -> Floats:
    """(4,): what xyxy in these units is divided by to get fractions of the input."""
    return scale_of(width, height) if units == "pixels" else np.ones(4, dtype=np.float32)


def scale_of(width: int, height: int) -> Floats:
    """(4,): what xyxy in pixels of an input is divided by to get fractions of it."""
    return np.array([width, height, width, height], dtype=np.float32)
