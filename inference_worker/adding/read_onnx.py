"""An ONNX file by ONNX Runtime."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from inference_worker.adding.graph import Graph, Port, backbone_of, first_line
from inference_worker.backends.base import Tensor
from runtime.errors import UserError

_FATAL_ONLY = 4
# Of ONNX Runtime's names of types; a type that is not here is left as it is.
_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}
# What it says, and what that means.
_NO_OPERATOR = re.compile(r"(?:Fatal error: |No Op registered for )([\w.:]+)")
_BROKEN = re.compile(r"INVALID_PROTOBUF|No graph was found in the protobuf")
_NEWER = re.compile(r"Opset \d+ is under development|Unsupported model IR version")


def read_onnx(path: Path) -> Graph:
    """Raises UserError if the file is no ONNX graph that ONNX Runtime can run."""
    model = _parsed(path)
    beside = _external_data(path, model)
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_ONLY  # what is wrong is told once, by the error
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common ancestor below this one
        raise UserError(f"{path}: ONNX Runtime can't read this file: {_why(error)}") from error
    outputs = tuple(map(_port, session.get_outputs()))
    names = [port.name for port in outputs]

    def run(inputs: dict[str, Tensor]) -> Sequence[Tensor]:
        return [np.asarray(array) for array in session.run(names, inputs)]

    return Graph(
        path,
        tuple(map(_port, session.get_inputs())),
        outputs,
        dict(session.get_modelmeta().custom_metadata_map),
        run,
        beside,
        backbone=backbone_of(node.name for node in model.graph.node) if model else None,
    )


def _parsed(path: Path) -> onnx.ModelProto | None:
    """None: it is no ONNX file, and ONNX Runtime says what is wrong."""
    try:
        return onnx.load(path, load_external_data=False)
    except Exception:  # of the parser; its exceptions have no common ancestor below this one
        return None


def _external_data(path: Path, model: onnx.ModelProto | None) -> tuple[str, ...]:
    """Files with weights beside it. Raises UserError if one is missing or lies elsewhere."""
    if model is None:
        return ()
    tensors = filter(uses_external_data, model.graph.initializer)
    names = tuple(sorted({str(ExternalDataInfo(one).location) for one in tensors}))
    for name in names:
        if Path(name).name != name:
            raise UserError(
                f"{path}: keeps weights in {name!r}, which is not in its own folder; save it with"
                " its external data beside it"
            )
        if not (path.parent / name).is_file():
            raise UserError(
                f"{path}: keeps weights in the file {name!r} beside it (external data), which is"
                " not there; copy it too, or save the model as one file"
            )
    return names


def _why(error: Exception) -> str:
    text = str(error)
    if (found := _NO_OPERATOR.search(text)) is not None:
        hint = "export the model without its NMS" if "NMS" in found[1] else "export it without"
        return f"it has no operator {found[1]!r}; {hint}, or for another opset"
    if _BROKEN.search(text):
        return "it is no ONNX, or not a whole one; copy or export it again"
    if _NEWER.search(text):
        return f"it is made for a newer ONNX than {ort.__version__}; export it with an older opset"
    return first_line(error)


def _port(port: ort.NodeArg) -> Port:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in port.shape)
    return Port(port.name, _TYPES.get(port.type, port.type), shape)
