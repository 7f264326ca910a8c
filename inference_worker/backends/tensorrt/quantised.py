"""What TensorRT takes of a quantised graph: Q/DQ pairs of int8 with zero points of 0. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from runtime.errors import UserError

_PAIR: Final = ("QuantizeLinear", "DequantizeLinear")
# INT8 in forms that TensorRT's parser has no layers for.
_OTHER: Final = ("DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "QLinearConv",
                 "QLinearMatMul")  # fmt: skip
_MEND: Final = (
    "make the INT8 form of the float model by `onehertz models quantize NAME --recipe tensorrt`"
)


def is_quantised(model: onnx.ModelProto, path: Path) -> bool:
    """Whether the graph has Q/DQ nodes.

    Raises UserError that names the first node in a form that TensorRT does not take.
    """
    constants = {one.name: one for one in model.graph.initializer}
    constants |= {
        node.output[0]: node.attribute[0].t
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    pairs = [node for node in model.graph.node if node.op_type in _PAIR]
    for node in model.graph.node:
        if why := _why_not(node, constants):
            raise UserError(
                f"{path}: TensorRT can't use this INT8: {why} at the node"
                f" {node.name or node.output[0]!r} ({node.op_type}); {_MEND}"
            )
    return bool(pairs)


def _why_not(node: onnx.NodeProto, constants: dict[str, TensorProto]) -> str:
    if node.op_type in _OTHER:
        return "it takes only QuantizeLinear and DequantizeLinear, not what is"
    if node.op_type not in _PAIR:
        return ""
    quantised = constants.get(node.input[0])
    if quantised is not None and quantised.data_type == TensorProto.INT32:
        return "a bias is INT32, it adds biases in float,"
    zero = constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if zero is None and len(node.input) > 2 and node.input[2]:
        return "a zero point is computed"
    if zero is None:
        return "" if _is_int8_by_itself(node) else "without a zero point values are uint8,"
    if np.any(numpy_helper.to_array(zero)):
        return "a zero point is not 0 (asymmetric)"
    if zero.data_type == TensorProto.UINT8:
        return "values are uint8, it takes int8,"
    return ""


def _is_int8_by_itself(node: onnx.NodeProto) -> bool:
    """Whether a node without a zero point has int8: ONNX makes uint8, unless it is said (opset 21).

    TensorRT would take it for int8 all the same, and see other numbers than were meant.
    """
    kinds = [one.i for one in node.attribute if one.name == "output_dtype"]
    return node.op_type == "DequantizeLinear" or kinds == [TensorProto.INT8]
