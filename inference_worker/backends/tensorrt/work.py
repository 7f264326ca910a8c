"""What is to be inferred in one go, and how it comes apart. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inference_worker.backends.base import Outputs, Pictures, Tensor


@dataclass(frozen=True)
class Work:
    """A batch: all its inputs, or frames and the other inputs."""

    inputs: Mapping[str, Tensor]
    pictures: Pictures | None = None

    @property
    def count(self) -> int:
        """How many images."""
        if self.pictures is not None:
            return len(self.pictures.images)
        return len(next(iter(self.inputs.values())))

    def part(self, start: int, stop: int) -> Work:
        """Some of its images."""
        inputs = {name: tensor[start:stop] for name, tensor in self.inputs.items()}
        if self.pictures is None:
            return Work(inputs)
        images, placements = self.pictures
        return Work(inputs, Pictures(images[start:stop], placements[start:stop]))

    def pictures_one_by_one(self) -> Iterator[Pictures]:
        """Each frame alone; none if it has no frames."""
        if self.pictures is not None:
            for image, placement in zip(*self.pictures, strict=True):
                yield Pictures([image], [placement])


def parts(sizes: Sequence[int], capacity: int) -> Iterator[tuple[int, int, bool]]:
    """From where to where runs of these sizes fit together, in their order, each as long as can be.

    The last value of each: whether it fits at all; one that doesn't is alone.
    """
    start, used = 0, 0
    for at, size in enumerate(sizes):
        if at > start and (used + size > capacity):
            yield start, at, used <= capacity
            start, used = at, 0
        used += size
    if sizes:
        yield start, len(sizes), used <= capacity


def joined(found: Sequence[Outputs]) -> Outputs:
    """The outputs of parts as those of the whole."""
    if len(found) == 1:
        return found[0]
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}
