"""What a file says of the graph in it, and what the graph answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inference_worker.backends.base import Tensor, batch_first
from runtime.errors import FatalError, UserError


@dataclass(frozen=True)
class Port:
    """An input or an output as it is declared; None: a size that is free."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name!r} {self.dtype} {shape_text(self.shape)}"


@dataclass(frozen=True)
class Graph:
    """A file that an engine has read."""

    path: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str]
    # From tensors by name to the outputs, in their order.
    run: Callable[[dict[str, Tensor]], Sequence[Tensor]] = field(repr=False)
    beside: tuple[str, ...] = ()  # files with more of the weights, in the same folder
    anchors: str | None = None  # the name of those that the file has in it
    backbone: str | None = None  # one that is fed in another way than its format's models
    notes: tuple[str, ...] = ()  # what was done to read it
    converted: Path | None = None  # what serves instead of `path`
    # Where that lies: it goes with the graph.
    folder: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    @property
    def weights(self) -> Path:
        """The file that serves."""
        return self.converted or self.path

    def answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The outputs for one picture, with the batch first even where the graph squeezes it away.

        Raises UserError if the graph fails on it.
        """
        try:
            arrays = self.run(dict(inputs))
            return {
                port.name: batch_first(port.name, array, 1)
                for port, array in zip(self.outputs, arrays, strict=True)
            }
        except FatalError as error:
            raise UserError(f"{self.path}: {error}") from error
        except Exception as error:  # the engines' exceptions have no common ancestor below this one
            raise UserError(
                f"{self.path}: the graph fails on a picture: {first_line(error)}"
            ) from error


def backbone_of(names: Iterable[str]) -> str | None:
    """The one that is named in the names of a graph's parts and has ways of its own."""
    return "DINOv3" if any("dinov3" in name for name in names) else None


def shape_text(shape: tuple[int | None, ...]) -> str:
    """[any, 3, 640, 640]"""
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"


def first_line(error: Exception) -> str:
    """Of what an engine says, which may be a page."""
    return next((line for line in str(error).splitlines() if line.strip()), "no reason given")
