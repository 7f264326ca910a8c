"""What may be a graph's output format, and what is looked at to find it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from inference_worker.adding.wishes import Wishes
from inference_worker.formats import Output

Shapes = Mapping[str, tuple[int, ...]]  # of outputs, without the batch


@dataclass(frozen=True)
class Outlook:
    """What is known of a graph before its values are looked at."""

    shapes: Shapes
    whole_numbers: Sequence[str]  # outputs of an integer type
    size: tuple[int, int]  # width and height of the input in pixels
    has_sizes: bool  # the graph is told the picture's size
    labels: int
    wishes: Wishes


@dataclass(frozen=True)
class Candidate:
    """A format that the shapes fit."""

    name: str  # one of FORMATS
    spec: Output
    why: str
    classes: int | None = None  # how many there must be then; None: shapes don't tell
    strides: tuple[int, ...] = ()  # of the grid that the rows lie on, if they lie on one
    per_cell: int = 1
    missing: tuple[str, ...] = ()  # what nothing tells: a sentence each, with the flag
    assumed: tuple[str, ...] = ()  # what is taken as given, as it is usual


def boxes_and_others(shapes: Shapes) -> list[tuple[str, str]]:
    """Of two outputs, which may be boxes and which scores: as they are called, or both ways."""
    pairs = list(permutations(shapes, 2)) if len(shapes) == 2 else []
    called = [pair for pair in pairs if "box" in base_name(pair[0])]
    return called if len(called) == 1 else pairs


def base_name(name: str) -> str:
    """`StatefulPartitionedCall/detection_boxes:0` → `detection_boxes`"""
    return name.rpartition("/")[2].partition(":")[0].lower()


def grid_text(strides: Sequence[int], size: tuple[int, int]) -> str:
    """strides 8, 16, 32 at 640 x 480"""
    width, height = size
    return f"strides {', '.join(map(str, strides))} at {width} x {height}"
