"""What the fake of TensorRT reads off an ONNX file, and what it refuses of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.inference_worker.backends.fake_gpu.fake_trt_types import (
    DataType,
    Dims,
    Enumeration,
    data_type,
    members,
)

_QUANTISERS = ("QuantizeLinear", "DequantizeLinear")
_NO_TYPES = (TensorProto.DOUBLE, TensorProto.STRING, TensorProto.COMPLEX64)


class ErrorCode(Enumeration):
    pass


members(
    ErrorCode,
    MODEL_DESERIALIZE_FAILED=3,
    INVALID_GRAPH=5,
    INVALID_NODE=6,
    UNSUPPORTED_NODE=8,
)


@dataclass
class ITensor:
    name: str
    shape: Dims
    dtype: DataType


class ParserError:
    """All of it by calls, as the real one."""

    def __init__(self, code: ErrorCode, desc: str, node: int = -1, proto: object = None) -> None:
        self._code, self._desc, self._node, self._proto = code, desc, node, proto

    def code(self) -> ErrorCode:
        return self._code

    def desc(self) -> str:
        return self._desc

    def node(self) -> int:
        return self._node

    def node_name(self) -> str:
        return getattr(self._proto, "name", "")

    def node_operator(self) -> str:
        return getattr(self._proto, "op_type", "")


def refusals(model: onnx.ModelProto, unsupported: frozenset[str]) -> Iterator[ParserError]:
    """What TensorRT's parser would not take."""
    known = {one.name: one for one in model.graph.initializer}
    for index, node in enumerate(model.graph.node):
        if node.op_type in unsupported or node.domain not in ("", "ai.onnx"):
            desc = f"no importer is registered for {node.op_type}: plugin not found"
            yield ParserError(ErrorCode.UNSUPPORTED_NODE, desc, index, node)
        elif node.op_type in _QUANTISERS and (reason := _asymmetric(node, known)):
            yield ParserError(ErrorCode.INVALID_NODE, reason, index, node)
    for port in (*model.graph.input, *model.graph.output):
        if port.type.tensor_type.elem_type in _NO_TYPES:
            desc = f"the tensor {port.name} has a type that is not supported"
            yield ParserError(ErrorCode.INVALID_GRAPH, desc)


def _asymmetric(node: onnx.NodeProto, known: dict[str, onnx.TensorProto]) -> str:
    if node.op_type == "DequantizeLinear":
        source = known.get(node.input[0])
        if source is not None and source.data_type == TensorProto.INT32:
            return "a bias of INT32 is not taken: quantized weights are INT8"
    if len(node.input) < 3 or not node.input[2]:
        return ""
    zero = known.get(node.input[2])
    if zero is None:
        return "the zero point is no constant"
    if zero.data_type == TensorProto.UINT8:
        return "UINT8 is not taken: only symmetric quantization is supported"
    if np.any(numpy_helper.to_array(zero)):
        return "only symmetric quantization is supported: the zero point is not all zeros"
    return ""


def ports(model: onnx.ModelProto) -> tuple[list[ITensor], list[ITensor]]:
    """Inputs and outputs; -1 for what is free."""
    constants = {one.name for one in model.graph.initializer}
    inputs = [_tensor(port) for port in model.graph.input if port.name not in constants]
    return inputs, [_tensor(port) for port in model.graph.output]


def _tensor(port: onnx.ValueInfoProto) -> ITensor:
    kind = port.type.tensor_type
    shape = [size.dim_value if size.HasField("dim_value") else -1 for size in kind.shape.dim]
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return ITensor(port.name, Dims(shape), data_type(dtype))
