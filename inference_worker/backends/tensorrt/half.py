"""The float16 form of an ONNX graph, which a strongly typed network is built from as it stands.

ONNX Runtime's converter does the work: weights and sums become float16, inputs and outputs stay
what they were, with a Cast beside them.
"""

from __future__ import annotations

from typing import Final

import onnx

# Besides what the converter itself leaves in float32 (NonMaxSuppression, TopK, Range …): these take
# coordinates, and half a float's 11 bits are a quarter of a pixel on an input 512 wide.
_IN_FLOAT32: Final = ("GridSample", "Mod", "Floor", "Ceil", "Round")
# Of normalisations, x / sqrt(mean(x²) + ε): the square of what is below .0002 is 0 in float16, that
# of 256 is no number. With them in float16 DEIMv2-femto's AP50 falls from .553 to .397
# (benchmarks/gpu/rounding.py).
_OF_NORMALISATIONS: Final = ("Pow", "ReduceMean", "Sqrt")
_WEIGHTED: Final = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that computes in float16.

    Raises ImportError where ONNX Runtime is not installed, and whatever the converter raises for a
    graph that it can't convert.
    """
    from onnxruntime.transformers import float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    blocked = [*float16.DEFAULT_OP_BLOCK_LIST, *_IN_FLOAT32]
    _name_all(copy.graph)
    exact = {*_after_weights(copy.graph), *_normalisations(copy.graph), *_after_choice(copy.graph)}
    converted: onnx.ModelProto = float16.convert_float_to_float16(
        copy, keep_io_types=True, op_block_list=blocked, node_block_list=sorted(exact)
    )
    _once_each(converted.graph)
    _without_rounding(converted.graph)
    OnnxModel(converted).topological_sort()  # it adds its Casts at the end
    return converted


def _name_all(graph: onnx.GraphProto) -> None:
    for number, node in enumerate(graph.node):
        node.name = node.name or f"{node.op_type}_{number}"


def _normalisations(graph: onnx.GraphProto) -> list[str]:
    """Names of their nodes, and of the one that adds ε."""
    roots = {name for node in graph.node if node.op_type == "Sqrt" for name in node.input}
    return [
        node.name
        for node in graph.node
        if node.op_type in _OF_NORMALISATIONS
        or (node.op_type == "Add" and not roots.isdisjoint(node.output))
    ]


def _after_weights(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that make boxes and scores of what the last weights gave.

    They cost little, and a coordinate in pixels would be rounded to a quarter of one.
    """
    needed: set[str] = set()  # tensors that some weights are still to be applied to
    names = []
    for node in reversed(graph.node):  # in the order of computing, as ONNX has it
        if node.op_type in _WEIGHTED or not needed.isdisjoint(node.output):
            needed.update(node.input)
        else:
            names.append(node.name)
    return names


def _after_choice(graph: onnx.GraphProto) -> list[str]:
    """Names of a DETR's decoder: of what works on the few hundred places that a TopK has chosen.

    It costs little beside what looks at the whole picture. In float16 DEIMv2-femto's AP50 falls
    from .553 to .549, so it stays (benchmarks/gpu/rounding.py).
    """
    chosen: set[str] = set()
    names = []
    for node in graph.node:
        if node.op_type == "TopK" or not chosen.isdisjoint(node.input):
            chosen.update(node.output)
            names.append(node.name)
    return names


def _without_rounding(graph: onnx.GraphProto) -> None:
    """Between two nodes that stay float32 the converter goes down to float16 and up again."""
    made_by = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        before = made_by.get(node.input[0]) if _casts_to(node, onnx.TensorProto.FLOAT) else None
        if before is not None and _casts_to(before, onnx.TensorProto.FLOAT16):
            node.input[0] = before.input[0]
    read = {name for node in graph.node for name in node.input}
    read |= {port.name for port in graph.output}
    for at in reversed(range(len(graph.node))):
        if graph.node[at].op_type == "Cast" and read.isdisjoint(graph.node[at].output):
            del graph.node[at]


def _casts_to(node: onnx.NodeProto, kind: int) -> bool:
    return node.op_type == "Cast" and any(
        one.name == "to" and one.i == kind for one in node.attribute
    )


def _once_each(graph: onnx.GraphProto) -> None:
    """The converter writes the same Cast again for each node that reads it (ONNX Runtime 1.31)."""
    seen: set[str] = set()
    again = []
    for at, node in enumerate(graph.node):
        if seen.issuperset(node.output):
            again.append(at)
        seen.update(node.output)
    for at in reversed(again):
        del graph.node[at]
