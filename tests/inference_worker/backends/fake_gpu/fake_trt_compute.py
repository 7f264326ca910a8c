"""ONNX Runtime computes what the fake engines give."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import onnx
import onnxruntime as ort

Arrays = dict[str, np.ndarray]
Shapes = tuple[tuple[str, tuple[int, ...]], ...]

_NO_LOG = 4
_TF32_CUTS = np.uint32(0xFFFF_E000)  # ten bits of a float's fraction are left
_USES_TF32 = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@lru_cache(maxsize=64)
def session(model: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _NO_LOG
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@lru_cache(maxsize=64)
def _has_tf32(model: bytes) -> bool:
    return any(node.op_type in _USES_TF32 for node in onnx.load_from_string(model).graph.node)


def compute(model: bytes, inputs: Mapping[str, np.ndarray], *, tf32: bool) -> Arrays:
    """Outputs by name. `tf32`: as an Ampere does it that was not told to leave that out."""
    fed = dict(inputs)
    if tf32 and _has_tf32(model):
        for name, array in fed.items():
            if array.dtype == np.float32:
                fed[name] = (array.view(np.uint32) & _TF32_CUTS).view(np.float32)
    running = session(model)
    names = [port.name for port in running.get_outputs()]
    return dict(zip(names, running.run(names, fed), strict=True))


@lru_cache(maxsize=512)
def output_shapes(model: bytes, inputs: Shapes) -> dict[str, tuple[int, ...]] | None:
    """Shapes of the outputs for shapes of the inputs; None if the graph can't do those."""
    kinds = {port.name: port.type for port in session(model).get_inputs()}
    zeros = {name: np.zeros(shape, dtype=_dtype(kinds[name])) for name, shape in inputs}
    try:
        found = compute(model, zeros, tf32=False)
    except Exception:  # ONNX Runtime's have no common ancestor below this one
        return None
    return {name: array.shape for name, array in found.items()}


def _dtype(kind: str) -> str:
    """Of ONNX Runtime's `tensor(float)`."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(name, name)
