"""What float16 does to a graph, as numbers that are worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from benchmarks.gpu.rounding import rounded
from inference_worker.backends.tensorrt.half import half


def graph(nodes: list[onnx.NodeProto], **constants: float) -> onnx.ModelProto:
    """From x to y, four numbers each; then weights of 1: what follows the last is float32."""
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 4, 1]) for n in ("x", "z")]
    values = [helper.make_tensor(n, TensorProto.FLOAT, [1], [v]) for n, v in constants.items()]
    values.append(helper.make_tensor("weights", TensorProto.FLOAT, [4, 1, 1], [1.0] * 4))
    nodes = [*nodes, helper.make_node("Conv", ["y", "weights"], ["z"], group=4)]
    made = helper.make_graph(nodes, "g", ports[:1], ports[1:], values)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answer(model: onnx.ModelProto, x: list[float]) -> np.ndarray:
    onnx.checker.check_model(model)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": np.array([x], np.float32)[..., None]})[0][0, :, 0]


SQUARED_AND_BACK = graph(
    [helper.make_node("Mul", ["x", "x"], ["s"]), helper.make_node("Div", ["s", "x"], ["y"])]
)
NORMALISED = graph(
    [
        helper.make_node("Pow", ["x", "two"], ["squares"]),
        helper.make_node("ReduceMean", ["squares"], ["mean"], axes=[1]),
        helper.make_node("Add", ["mean", "epsilon"], ["more"]),
        helper.make_node("Sqrt", ["more"], ["root"]),
        helper.make_node("Div", ["x", "root"], ["y"]),
    ],
    two=2.0,
    epsilon=1e-12,
)


def test_what_lies_between_two_operators_is_rounded():
    x = [300.0, 2.0, 1e-5, 1.0]  # squared: above what float16 holds, 4, below it, 1
    assert answer(rounded(half(SQUARED_AND_BACK)), x) == pytest.approx([np.inf, 2, 0, 1])
    assert answer(SQUARED_AND_BACK, x) == pytest.approx(x)


def test_a_graph_in_float32_is_not_rounded():
    x = [1.0001, 3.0003, 1e-20, 7.77777]
    assert answer(rounded(SQUARED_AND_BACK), x) == pytest.approx(x, rel=1e-6)


@pytest.mark.parametrize("large", [0.001, 1.0, 1000.0])
def test_a_normalisation_keeps_squares_that_float16_does_not_hold(large: float):
    x = [large, -large, 0.5 * large, 0.0]
    expected = np.array([1, -1, 0.5, 0]) / 0.75
    assert answer(rounded(half(NORMALISED)), x) == pytest.approx(expected, rel=0.03)


def test_its_command_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from click.testing import CliRunner

    from benchmarks.gpu.rounding import main

    monkeypatch.setenv("ONEHERTZ_GPU_MODELS", str(tmp_path / "absent"))
    result = CliRunner().invoke(main)
    assert "no models there" in str(result.exception)
