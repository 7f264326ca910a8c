"""A TFLite file, a frozen graph of TensorFlow or an OpenVINO model, by OpenVINO."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov

from inference_worker.adding.graph import Graph, Port, backbone_of, first_line
from inference_worker.adding.read_tflite_ssd import converted
from inference_worker.adding.tflite_ssd import has_operator
from inference_worker.backends.base import Tensor
from inference_worker.backends.signal_stack import signal_stack_kept
from runtime.errors import UserError

# Of OpenVINO's names of types; a type that is not here is left as it is.
_TYPES = {
    "f32": "float32",
    "f16": "float16",
    "u8": "uint8",
    "i8": "int8",
    "i32": "int32",
    "i64": "int64",
}
_NO_OPERATOR = re.compile(r"No translator found for (\S+) node")


def read_by_openvino(path: Path) -> Graph:
    """Raises UserError if OpenVINO can't run the file."""
    if path.suffix.lower() == ".tflite" and has_operator(path):
        folder = tempfile.TemporaryDirectory(prefix="onehertz-")
        made, anchors, note = converted(path, folder)
        graph = read_by_openvino(made)
        return replace(
            graph, path=path, converted=made, anchors=anchors, notes=(note,), folder=folder
        )
    beside = _weights_of(path)
    try:
        with signal_stack_kept():
            model = ov.Core().read_model(path)
            compiled = ov.Core().compile_model(model, "CPU")
    except RuntimeError as error:
        raise UserError(f"{path}: OpenVINO can't read this file: {_why(error)}") from error
    request = compiled.create_infer_request()

    def run(inputs: dict[str, Tensor]) -> Sequence[Tensor]:
        result = request.infer(inputs)
        return [np.asarray(result[index]) for index in range(len(compiled.outputs))]

    inputs, outputs = tuple(map(_port, compiled.inputs)), tuple(map(_port, compiled.outputs))
    backbone = backbone_of(str(part.get_friendly_name()) for part in model.get_ops())
    return Graph(path, inputs, outputs, {}, run, beside, backbone=backbone)


def _weights_of(path: Path) -> tuple[str, ...]:
    if path.suffix.lower() != ".xml":
        return ()
    beside = path.with_suffix(".bin")
    if not beside.is_file():
        raise UserError(f"{path}: its weights, {beside.name}, are not beside it")
    return (beside.name,)


def _why(error: Exception) -> str:
    found = _NO_OPERATOR.search(str(error))
    if found is not None:
        return f"it has no operator {found[1]!r}; export the model without it"
    lines = [line for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "Exception from" not in line), first_line(error))


def _port(port: ov.ConstOutput) -> Port:
    shape = port.get_partial_shape()
    sizes = [None if size.is_dynamic else int(size.get_length()) for size in shape]
    kind = port.get_element_type().to_string()
    return Port(_name(port), _TYPES.get(kind, kind), tuple(sizes))


def _name(port: ov.ConstOutput) -> str:
    """An input's as the backend has it; of an output's the shortest one."""
    names = sorted(port.get_names(), key=lambda name: (len(name), name))
    own = str(port.get_node().get_friendly_name())
    return own if own in names or not names else str(names[0])
