"""What a manifest tells of the shapes of a graph's inputs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from inference_worker.manifest import Input
from inference_worker.preprocess import also_told

Shapes = Mapping[str, tuple[int, ...]]


def known_shapes(frames: Input | None) -> Shapes:
    """Of the inputs, without the batch, as the manifest has them; see `graph.ready`."""
    if frames is None:
        return {}
    sides = (frames.height, frames.width)
    picture = (3, *sides) if frames.layout == "nchw" else (*sides, 3)
    told = {name: tensor.shape[1:] for name, tensor in also_told(frames, 1).items()}
    return {**told, frames.name or "": picture}
