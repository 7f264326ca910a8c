"""TFLite's SSD without its last operator, which OpenVINO lacks: `TFLite_Detection_PostProcess`.

The operator decodes boxes against anchors and suppresses; both are done here too. Its anchors are
in the file. The file is cut in front of it by taking it off the list of operators and its inputs
for the graph's outputs, as TensorFlow's schema (version 3) has them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tflite
from flatbuffers import flexbuffers
from numpy.typing import NDArray

from runtime.errors import UserError

OPERATOR = b"TFLite_Detection_PostProcess"
# Fields of a subgraph's table.
_OUTPUTS, _OPERATORS = 8, 10


@dataclass(frozen=True)
class Coded:
    """How a tensor's whole numbers stand for others: (number - zero) * scale."""

    name: str
    scale: float
    zero: int


@dataclass(frozen=True)
class Cut:
    """What is left of the file, and what the operator was told."""

    content: bytes
    boxes: Coded
    scores: Coded
    anchors: NDArray[np.float32]  # (n, 4): centre y, centre x, height, width
    box_scales: tuple[float, float, float, float]  # y x height width


def has_operator(path: Path) -> bool:
    """Whether the file has the operator at all."""
    return OPERATOR in path.read_bytes()


def cut(path: Path) -> Cut:
    """Raises UserError if the operator is not the last one."""
    content = bytearray(path.read_bytes())
    model = tflite.Model.GetRootAsModel(content, 0)
    graph = model.Subgraphs(0)
    last = graph.Operators(graph.OperatorsLength() - 1)
    if model.OperatorCodes(last.OpcodeIndex()).CustomCode() != OPERATOR:
        raise UserError(f"{path}: has {OPERATOR.decode()}, and not as its last operator")
    told = flexbuffers.Loads(bytes(last.CustomOptionsAsNumpy()))
    boxes, scores, anchors = (graph.Tensors(last.Inputs(index)) for index in range(3))
    outputs = graph._tab.Vector(graph._tab.Offset(_OUTPUTS))
    operators = graph._tab.Vector(graph._tab.Offset(_OPERATORS))
    struct.pack_into("<i", content, operators - 4, graph.OperatorsLength() - 1)
    struct.pack_into("<iii", content, outputs - 4, 2, last.Inputs(0), last.Inputs(1))
    return Cut(
        bytes(content),
        _coded(boxes),
        _coded(scores),
        _numbers(anchors, model),
        (told["y_scale"], told["x_scale"], told["h_scale"], told["w_scale"]),
    )


def _coded(tensor: tflite.Tensor) -> Coded:
    quantised = tensor.Quantization()
    if quantised is None or not quantised.ScaleLength():
        return Coded(tensor.Name().decode(), 1.0, 0)
    return Coded(
        tensor.Name().decode(),
        float(quantised.ScaleAsNumpy()[0]),
        int(quantised.ZeroPointAsNumpy()[0]),
    )


def _numbers(tensor: tflite.Tensor, model: tflite.Model) -> NDArray[np.float32]:
    data = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if tensor.Type() == tflite.TensorType.FLOAT32:
        return np.asarray(data.view(np.float32).reshape(-1, 4))
    coded = _coded(tensor)
    numbers = (data.astype(np.float32) - coded.zero) * np.float32(coded.scale)
    return np.asarray(numbers.reshape(-1, 4))
