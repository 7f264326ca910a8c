"""A model in another form than its publisher gives it: TFLite as ONNX.

What a GPU's engines read is ONNX. `tflite2onnx` does the work; it knows batches of 1 and input
planes (NCHW) only, and its graphs differ from run to run in the order of their nodes and tensors.
Here they get a free batch size, the input of the original, and one order, so that a sha256 can be
pinned for what comes out.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from onehertz.assets.sources import SourceFailed


def tflite_to_onnx(source: Path, target: Path) -> None:
    """Convert a detector with one input of images, in batches of any size.

    Raises SourceFailed if the converter isn't installed, or can't convert this graph.
    """
    try:
        import onnx
        import tflite2onnx
    except ModuleNotFoundError as error:
        raise SourceFailed(
            f"{error.name} is not installed: pip install 'onehertz[worker-gpu]'"
        ) from error
    # It says of each float16 tensor that it has not been tested; ours are, against the original.
    logging.getLogger("tflite2onnx").setLevel(logging.ERROR)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        tflite2onnx.convert(str(source), str(target))
        model = onnx.load(str(target))
        graph = model.graph
        _free_batch(graph)
        _take_pictures(graph)
        _put_in_order(graph)
        onnx.checker.check_model(model)
    except Exception as error:  # of the converter, which has no errors of its own
        raise SourceFailed(f"{source.name} can't be converted to ONNX: {error}") from error
    target.write_bytes(model.SerializeToString(deterministic=True))


def _free_batch(graph: Any) -> None:
    """The batch of every input, output and reshape becomes a free dimension, in place of 1."""
    import numpy as np
    from onnx import numpy_helper

    for port in (*graph.input, *graph.output):
        port.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for constant in graph.initializer:
        if constant.name in shapes:
            shape = numpy_helper.to_array(constant).copy()
            if shape[0] != 1:
                raise ValueError(f"the reshape {constant.name!r} mixes the images of a batch")
            shape[0] = 0  # as in its input
            constant.CopyFrom(numpy_helper.from_array(np.asarray(shape), constant.name))


def _take_pictures(graph: Any) -> None:
    """The input becomes (batch, height, width, channels), as the original has it."""
    from onnx import helper

    (port,) = graph.input
    name, planes = port.name, f"{port.name}:planes"
    for node in graph.node:
        for index, source in enumerate(node.input):
            if source == name:
                node.input[index] = planes
    dims = port.type.tensor_type.shape.dim
    height, width, channels = dims[2].dim_value, dims[3].dim_value, dims[1].dim_value
    for dim, value in zip(dims[1:], (height, width, channels), strict=True):
        dim.dim_value = value
    transpose = helper.make_node("Transpose", [name], [planes], name=planes, perm=[0, 3, 1, 2])
    graph.node.insert(0, transpose)


def _put_in_order(graph: Any) -> None:
    """Nodes after those they need, and by name where that leaves a choice; constants by name."""
    nodes = list(_by_need(graph.node, {constant.name for constant in graph.initializer}, graph))
    constants = sorted(graph.initializer, key=lambda constant: str(constant.name))
    for field, values in ((graph.node, nodes), (graph.initializer, constants)):
        copies = [type(value)() for value in values]
        for copy, value in zip(copies, values, strict=True):
            copy.CopyFrom(value)
        del field[:]
        field.extend(copies)


def _by_need(nodes: Iterable[Any], constants: set[str], graph: Any) -> Iterable[Any]:
    known = constants | {port.name for port in graph.input}
    waiting = {node.output[0]: node for node in nodes}
    needs = {name: {i for i in node.input if i not in known} for name, node in waiting.items()}
    ready = [name for name, left in needs.items() if not left]
    heapq.heapify(ready)
    while ready:
        done = heapq.heappop(ready)
        yield waiting[done]
        for name, left in needs.items():
            if left and left.issuperset(waiting[done].output[:1]):
                left -= set(waiting[done].output)
                if not left:
                    heapq.heappush(ready, name)
