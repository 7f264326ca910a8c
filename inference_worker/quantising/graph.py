"""A float ONNX graph made ready, and its quantised forms."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import version_converter

from inference_worker.backends.base import Tensor
from inference_worker.quantising.calibration import Observed, Range
from inference_worker.quantising.onnxruntime_quantizer import (
    CalibrationMethod,
    QDQQuantizer,
    QuantType,
    TensorData,
    TensorsData,
)
from inference_worker.quantising.recipes import Recipe
from runtime.errors import UserError

_ERRORS_ONLY = 3
# Scales per channel need 13; 17 is what converters write today.
_LEAST_OPSET, _OPSET = 13, 17


def prepared(weights: Path) -> onnx.ModelProto:
    """The graph with constants folded, shapes inferred and a name for each node.

    Raises UserError if it can't be read, or is quantised already.
    """
    try:
        model = onnx.load(weights)
        _free_initializers(model)
        if _opset(model) < _LEAST_OPSET:
            model = version_converter.convert_version(model, _OPSET)
        model = onnx.shape_inference.infer_shapes(_folded(model))
    except Exception as error:  # of two libraries, without a common ancestor
        raise UserError(f"{weights}: can't be made ready for quantising: {error}") from error
    if any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        raise UserError(f"{weights}: is quantised already")
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    used = {node.domain for node in model.graph.node}
    kept = [one for one in model.opset_import if one.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


def nodes_of(model: onnx.ModelProto, operators: Collection[str]) -> list[str]:
    """Names of the nodes that can be quantised, in the order of computing.

    Of those with weights only where the weights are constant; a product of two activations loses
    too much.
    """
    constants = {one.name for one in model.graph.initializer}
    weighted = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in operators
        and (node.op_type not in weighted or any(name in constants for name in node.input[1:2]))
    ]


def observe(
    model: onnx.ModelProto, feeds: Iterable[Mapping[str, Tensor]], operators: Collection[str]
) -> dict[str, Observed]:
    """What goes into and out of nodes of these kinds, over all feeds."""
    constants = {one.name for one in model.graph.initializer}
    names = {
        name: None
        for node in model.graph.node
        if node.op_type in operators
        for name in (*node.input, *node.output)
        if name and name not in constants
    }
    told = onnx.ModelProto()
    told.CopyFrom(model)
    there = {one.name for one in told.graph.output}
    told.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in there
    )
    session = _session(told)
    observed: dict[str, Observed] = {}
    for feed in feeds:
        for name, array in zip(names, session.run(list(names), dict(feed)), strict=True):
            if array.dtype == np.float32:
                observed.setdefault(name, Observed()).add(array)
    return observed


def quantised(
    model: onnx.ModelProto,
    ranges: Mapping[str, Range],
    recipe: Recipe,
    nodes: Sequence[str],
    *,
    inputs_only: bool = False,
) -> bytes:
    """The graph as a file, with Q/DQ about these nodes. Weights have a scale per channel.

    `inputs_only`: see `Style`.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    data = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()
    }
    chosen = set(nodes)
    kinds = sorted({node.op_type for node in copy.graph.node if node.name in chosen})
    quantizer = QDQQuantizer(
        copy,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8 if recipe.symmetric else QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=list(nodes),
        nodes_to_exclude=[],
        op_types_to_quantize=kinds,
        extra_options={
            "ActivationSymmetric": recipe.symmetric,
            "WeightSymmetric": True,
            "QuantizeBias": recipe.quantised_bias,
            "OpTypesToExcludeOutputQuantization": kinds if inputs_only else [],
        },
    )
    # It logs a warning for each bias whose weights it gives a wider scale: no fault.
    logging.disable(logging.WARNING)
    try:
        quantizer.quantize_model()
    finally:
        logging.disable(logging.NOTSET)
    return bytes(quantizer.model.model.SerializeToString())


def _free_initializers(model: onnx.ModelProto) -> None:
    """Old exporters list weights as inputs too, so that nothing can be folded."""
    weights = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)


def _opset(model: onnx.ModelProto) -> int:
    return next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)


def _folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """With batch normalisation and constants folded, in ONNX's own operators."""
    with tempfile.TemporaryDirectory(prefix="onehertz-") as folder:
        path = Path(folder) / "folded.onnx"
        _session(model, folded=path)
        return onnx.load(path)


def _session(model: onnx.ModelProto, folded: Path | None = None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    if folded is not None:
        options.optimized_model_filepath = str(folded)
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
