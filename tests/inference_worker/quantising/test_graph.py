"""Graphs with Q/DQ nodes, as engines want them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference_worker.backends.tensorrt.quantised import is_quantised
from inference_worker.quantising.calibration import ranges
from inference_worker.quantising.graph import nodes_of, observe, prepared, quantised
from inference_worker.quantising.recipes import RECIPES, Recipe
from runtime.errors import UserError
from tests.inference_worker import onnx_models


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """Two convolutions with biases, as old exporters write them: opset 11, weights as inputs."""
    chance = np.random.default_rng(5)
    weights = {
        "w1": chance.normal(0, 0.3, (8, 3, 3, 3)),
        "b1": chance.normal(0, 0.3, 8),
        "w2": chance.normal(0, 0.3, (4, 8, 3, 3)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()
    ]

    def port(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    inputs = [port("x", ["N", 3, 12, 12])]
    inputs += [port(name, list(array.shape)) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "old", inputs, [port("y", ["N", 4, 8, 8])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    return path


def answers(model: bytes, x: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


def pictures(count: int) -> list[np.ndarray]:
    chance = np.random.default_rng(6)
    return [chance.uniform(-1, 1, (1, 3, 12, 12)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
@pytest.mark.parametrize("inputs_only", [False, True])
def test_a_quantised_graph_gives_nearly_the_same(net: Path, recipe: Recipe, inputs_only: bool):
    model = prepared(net)
    operators = recipe.operators
    observed = observe(model, ({"x": one} for one in pictures(8)), operators)
    nodes = nodes_of(model, operators)
    found = ranges(observed, "minmax", symmetric=recipe.symmetric)
    small = quantised(model, found, recipe, nodes, inputs_only=inputs_only)
    x = pictures(9)[-1]
    exact = answers(net.read_bytes(), x)
    near = answers(small, x)
    assert 0 < np.abs(near - exact).max() < 0.1 * np.abs(exact).max()
    assert np.corrcoef(near.ravel(), exact.ravel())[0, 1] > 0.995


def test_the_tensorrt_recipe_has_zero_points_of_0_and_biases_in_float(net: Path):
    recipe = RECIPES["tensorrt"]
    model = prepared(net)
    observed = observe(model, [{"x": one} for one in pictures(4)], recipe.operators)
    found = ranges(observed, "least-error", symmetric=True)
    nodes = nodes_of(model, recipe.operators)
    small = onnx.load_from_string(quantised(model, found, recipe, nodes))
    constants = {one.name: numpy_helper.to_array(one) for one in small.graph.initializer}
    linear = [node for node in small.graph.node if node.op_type.endswith("quantizeLinear")]
    linear += [node for node in small.graph.node if node.op_type == "QuantizeLinear"]
    assert linear
    for node in linear:
        assert not constants[node.input[2]].any()
        assert constants[node.input[2]].dtype == np.int8
    biased = next(node for node in small.graph.node if node.op_type == "Conv")
    assert constants[biased.input[2]].dtype == np.float32
    assert is_quantised(small, net)  # TensorRT's backend takes it


def test_the_recipe_for_cpus_is_nothing_for_tensorrt(net: Path):
    recipe = RECIPES["cpu"]
    model = prepared(net)
    observed = observe(model, [{"x": one} for one in pictures(4)], recipe.operators)
    found = ranges(observed, "minmax", symmetric=False)
    small = quantised(model, found, recipe, nodes_of(model, recipe.operators))
    with pytest.raises(UserError, match="can't use this INT8"):
        is_quantised(onnx.load_from_string(small), net)


def test_weights_have_a_scale_per_channel(net: Path):
    recipe = RECIPES["cpu"]
    model = prepared(net)
    observed = observe(model, [{"x": one} for one in pictures(2)], recipe.operators)
    found = ranges(observed, "minmax", symmetric=False)
    small = onnx.load_from_string(quantised(model, found, recipe, nodes_of(model, ("Conv",))))
    scales = [numpy_helper.to_array(one) for one in small.graph.initializer if "scale" in one.name]
    assert sorted(len(one) for one in scales if one.ndim)[-2:] == [8, 8]  # weights and bias of w1


def test_between_a_convolution_and_its_activation_nothing_is_rounded(net: Path):
    recipe = RECIPES["tensorrt"]
    model = prepared(net)
    observed = observe(model, [{"x": one} for one in pictures(2)], recipe.operators)
    found = ranges(observed, "minmax", symmetric=True)
    nodes = nodes_of(model, ("Conv",))
    file = quantised(model, found, recipe, nodes, inputs_only=True)
    graph = onnx.load_from_string(file).graph
    follows = {name: node.op_type for node in graph.node for name in node.input}
    outputs = [node.output[0] for node in graph.node if node.op_type == "Conv"]
    assert [follows.get(name) for name in outputs] == ["Relu", None]  # the last is the graph's own


def test_nodes_that_are_left_out_stay_float(net: Path):
    recipe = RECIPES["cpu"]
    model = prepared(net)
    observed = observe(model, [{"x": one} for one in pictures(2)], recipe.operators)
    found = ranges(observed, "minmax", symmetric=False)
    nodes = nodes_of(model, ("Conv",))
    assert len(nodes) == 2
    small = onnx.load_from_string(quantised(model, found, recipe, nodes[1:]))
    constants = {one.name: numpy_helper.to_array(one).dtype for one in small.graph.initializer}
    first, second = [node for node in small.graph.node if node.op_type == "Conv"]
    assert constants[first.input[1]] == np.float32
    assert second.input[1] not in constants  # comes out of a DequantizeLinear


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(UserError, match=r"a\.onnx: can't be made ready"):
        prepared(path)


def test_a_graph_that_is_quantised_already_is_refused(tmp_path: Path):
    path = tmp_path / "a.onnx"
    path.write_bytes(onnx_models.quantised_pair())
    with pytest.raises(UserError, match="is quantised already"):
        prepared(path)
