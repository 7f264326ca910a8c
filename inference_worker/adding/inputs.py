"""Which input of a graph takes the pictures, in what size and layout, and what else it wants."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from inference_worker.adding.candidate import base_name
from inference_worker.adding.graph import Graph, Port
from inference_worker.manifest import Given
from runtime.errors import UserError

# PaddleDetection's further inputs, for a picture that fills the input: height and width of the
# input; by how much the picture was scaled, down and across. Boxes are then in pixels of the input.
_PADDLE: dict[str, Callable[[int, int], tuple[float, float]]] = {
    "im_shape": lambda width, height: (float(height), float(width)),
    "scale_factor": lambda width, height: (1.0, 1.0),  # noqa: ARG005
}
_FLOATS_AND_BYTES = ("float32", "float16", "uint8")


@dataclass(frozen=True)
class Inputs:
    """How a graph is fed; see `manifest.Input`."""

    name: str
    width: int
    height: int
    layout: Literal["nchw", "nhwc"]
    dtype: Literal["float32", "float16", "uint8"]
    sizes: str | None
    also: tuple[Given, ...]
    evidence: tuple[str, ...]


def find_inputs(graph: Graph, size: tuple[int, int] | None) -> Inputs:
    """`size`: width and height in pixels, as the user says.

    Raises UserError if the graph wants something that can't be given, or leaves its size open and
    nobody says it.
    """
    pictures = [p for p in graph.inputs if len(p.shape) == 4 and p.dtype in _FLOATS_AND_BYTES]
    sizes = [p for p in graph.inputs if p.dtype == "int64" and p.shape[1:] == (2,)]
    paddle = [p for p in graph.inputs if base_name(p.name) in _PADDLE and p.shape[1:] == (2,)]
    known = 1 + len(sizes) + len(paddle)
    if len(pictures) != 1 or len(sizes) > 1 or len(graph.inputs) > known:
        raise UserError(
            f"{graph.path}: its inputs are {', '.join(map(str, graph.inputs))}; can be served: one"
            " for pictures with four axes (float32, float16 or uint8), and beside it at most one"
            " for the picture's size, int64 [any, 2], or PaddleDetection's im_shape, scale_factor"
        )
    (port,) = pictures
    if port.shape[0] not in (None, 1):
        raise UserError(
            f"{graph.path}: its input {port} is made for batches of exactly {port.shape[0]};"
            " export it with a batch of 1, or with a dynamic one"
        )
    layout, height, width = _axes(graph, port)
    width, height, evidence = _size(graph, (width, height), size)
    also = tuple(Given(p.name, _PADDLE[base_name(p.name)](width, height)) for p in paddle)
    return Inputs(
        name=port.name,
        width=width,
        height=height,
        layout=layout,
        dtype=cast(Literal["float32", "float16", "uint8"], port.dtype),
        sizes=sizes[0].name if sizes else None,
        also=also,
        evidence=(
            f"input {port}: {layout}, {evidence}",
            *(f"input {one}: width and height of the picture" for one in sizes),
            *(f"input {one.name!r}: always {one.values}, as in PaddleDetection" for one in also),
        ),
    )


def _axes(graph: Graph, port: Port) -> tuple[Literal["nchw", "nhwc"], int | None, int | None]:
    """Layout, height and width."""
    _, first, second, last = port.shape
    if first == 3 and last != 3:
        return "nchw", second, last
    if last == 3 and first != 3:
        return "nhwc", first, second
    if first is second is last is None:  # Transformers'; if it is wrong, the graph fails at once
        return "nchw", None, None
    raise UserError(
        f"{graph.path}: its input {port} has no axis of 3 colours, or two; export it with fixed"
        " sizes and three colours"
    )


def _size(
    graph: Graph, declared: tuple[int | None, int | None], told: tuple[int, int] | None
) -> tuple[int, int, str]:
    """Width, height and where they come from."""
    if told is not None:
        if any(fixed not in (None, side) for fixed, side in zip(declared, told, strict=True)):
            width, height = declared
            raise UserError(f"{graph.path}: --size: the graph's input is {width} x {height}")
        return *told, f"{told[0]} x {told[1]} as --size says"
    width, height = declared
    if width is not None and height is not None:
        return width, height, f"{width} x {height}"
    exported = _exported_size(graph.metadata)
    if exported is not None:
        return *exported, f"{exported[0]} x {exported[1]} by the metadata's imgsz"
    raise UserError(
        f"{graph.path}: takes pictures of any size; say in which it is to be used, as it was"
        " trained, say --size 640x640"
    )


def _exported_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Width and height from Ultralytics' `imgsz`, which has the height first."""
    try:
        found = ast.literal_eval(metadata.get("imgsz", ""))
        height, width = (found, found) if isinstance(found, int) else found
    except (ValueError, SyntaxError, TypeError):
        return None
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None
