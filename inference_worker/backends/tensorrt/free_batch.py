"""Makes a batch of 1 that is written into an ONNX graph a free one.

Exporters write the batch into the shapes of inputs and outputs, and into the targets of Reshape
nodes. Images lie one after the other in memory, so a target whose first entry is left to be worked
out gives each image what it had alone, as long as nothing in between mixes the first axis. Whether
that is so is not proved but tried: `agrees` compares a batch with the same images one by one, in
the graph as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from inference_worker.backends.base import Tensor

BATCH: Final = "batch"
_TRIED_WITH = 3  # images: a graph that swaps two would pass with two of them
# Of the largest number of an output: what summing in another order makes in float32.
_ROUNDING = 1e-4

Shape = tuple[int | None, ...]


def freed(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """A copy that takes batches; None if an input or an output has no batch of 1 to free.

    `model`: its inputs are real ones, see `graph.py`. What comes out still has to be tried.
    """
    shapes = _shapes(onnx.shape_inference.infer_shapes(model))
    ports = [*model.graph.input, *model.graph.output]
    if any((shapes.get(port.name) or (None,))[0] != 1 for port in ports):
        return None
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _free_reshapes(copy.graph, shapes)
    del copy.graph.value_info[:]
    for port in (*copy.graph.input, *copy.graph.output):
        port.type.tensor_type.shape.dim[0].dim_param = BATCH
    return copy


def agrees(before: onnx.ModelProto, after: onnx.ModelProto) -> bool:
    """Whether a batch of random images gives what each of them gives alone, by ONNX Runtime."""
    try:
        images = _random_inputs(before)
        alone = [_outputs(before, {name: x[[at]] for name, x in images.items()})
                 for at in range(_TRIED_WITH)]  # fmt: skip
        together = _outputs(after, images)
    except Exception:  # of ONNX Runtime, which says that a shape doesn't fit in many ways
        return False
    return all(
        _alike(output, np.concatenate([one[name] for one in alone]))
        for name, output in together.items()
    )


def _free_reshapes(graph: onnx.GraphProto, shapes: Mapping[str, Shape]) -> None:
    """Give each Reshape of something computed a target of its own, with a free first entry."""
    constants = {one.name: one for one in graph.initializer}
    constants |= {
        node.output[0]: node.attribute[0].t
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    computed = _computed(graph)
    for number, node in enumerate(graph.node):
        if node.op_type != "Reshape" or node.input[0] not in computed:
            continue
        if (target := constants.get(node.input[1])) is None:
            continue
        free = _free_target(numpy_helper.to_array(target), shapes.get(node.input[0]))
        name = f"{node.input[1]} (free batch, {number})"
        graph.initializer.append(numpy_helper.from_array(free, name))
        node.input[1] = name


def _free_target(target: NDArray[np.generic], data: Shape | None) -> NDArray[np.int64]:
    """The first entry follows from the others, or is as in the data where another one follows."""
    free = np.array(target, dtype=np.int64)
    if len(free) == 0 or free[0] in (0, -1):
        return free
    if not (free == -1).any():
        free[0] = -1
    elif free[0] == 1 and data and data[0] == 1:
        free[0] = 0
    return free


def _computed(graph: onnx.GraphProto) -> set[str]:
    """Names of tensors that depend on the inputs: not those that only unpack weights."""
    names = {port.name for port in graph.input}
    for node in graph.node:
        if not names.isdisjoint(node.input):
            names.update(node.output)
    return names


def _shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    graph = model.graph
    return {
        port.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else None
            for dim in port.type.tensor_type.shape.dim
        )
        for port in (*graph.input, *graph.value_info, *graph.output)
    }


def _random_inputs(model: onnx.ModelProto) -> dict[str, Tensor]:
    chance = np.random.default_rng(8)
    inputs: dict[str, Tensor] = {}
    for port in model.graph.input:
        kind = onnx.helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type)
        shape = [_TRIED_WITH, *(dim.dim_value for dim in port.type.tensor_type.shape.dim[1:])]
        # Bytes are pixels, other whole numbers the sides of a picture.
        low, high = (0, 256) if np.dtype(kind).itemsize == 1 else (200, 600)
        whole = np.issubdtype(kind, np.integer)
        values = chance.integers(low, high, shape) if whole else chance.normal(0, 1, shape)
        inputs[port.name] = values.astype(kind)
    return inputs


def _outputs(model: onnx.ModelProto, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4  # a graph that can't do it is no error here
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [port.name for port in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _alike(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    if np.issubdtype(one.dtype, np.integer):
        return bool(np.array_equal(one, other))
    most = float(np.abs(other).max(initial=0.0))
    return bool(np.allclose(one, other, rtol=0, atol=_ROUNDING * max(most, 1e-6)))
