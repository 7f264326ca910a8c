"""What is made of an ONNX graph before TensorRT gets it; ONNX Runtime says if it is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference_worker.backends.tensorrt.graph import Ready, ready
from inference_worker.backends.tensorrt.shapes import known_shapes
from inference_worker.manifest import Input
from runtime.errors import UserError
from tests.inference_worker import onnx_models


def made_ready(
    folder: Path, model: bytes, precision: str = "float32", max_batch: int = 8, **known: object
) -> Ready:
    path = folder / "model.onnx"
    path.write_bytes(model)
    return ready(path, precision, max_batch, known)  # type: ignore[arg-type] # shapes


def run(model: bytes, **inputs: np.ndarray) -> list[np.ndarray]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(6).normal(0, 1, shape).astype(np.float32)


# ------------------------------------------------------------ a batch that is written in


@pytest.mark.parametrize("model", [onnx_models.affine, onnx_models.convolutions])
def test_a_batch_of_one_becomes_free_and_gives_what_each_image_gives_alone(
    model: object, tmp_path: Path
) -> None:
    original = model(batch=1, reshape_to=1)  # type: ignore[operator] # one of the two
    found = made_ready(tmp_path, original)
    assert (found.free, found.max_batch) == (True, 8)
    x = images(5, *found.shapes["x"])
    together = run(found.model, x=x)
    for at in range(5):
        for output, single in zip(together, run(original, x=x[at : at + 1]), strict=True):
            assert np.allclose(output[at], single[0], atol=1e-5)


def merged(flat: list[int], back: list[int], middle: str = "Relu") -> bytes:
    """x (1, 2, 3) as rows of 3, something done to them, and back to (1, 2, 3)."""
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["rows"]),
        helper.make_node(
            middle, ["rows"], ["done"], **({"axis": 0} if middle == "Softmax" else {})
        ),
        helper.make_node("Reshape", ["done", "back"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(flat), "flat"),
        numpy_helper.from_array(np.array(back), "back"),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 3]) for name in ("x", "y")
    ]
    graph = helper.make_graph(nodes, "merged", ports[:1], ports[1:], constants)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


@pytest.mark.parametrize(
    ("flat", "back"),
    [([2, 3], [1, 2, 3]), ([-1, 3], [1, 2, 3]), ([2, -1], [1, -1, 3]), ([6], [1, 2, 3])],
)
def test_a_batch_that_is_merged_with_rows_and_parted_again_becomes_free(
    flat: list[int], back: list[int], tmp_path: Path
) -> None:
    found = made_ready(tmp_path, merged(flat, back))
    if back[1] == -1:  # two sizes that follow from the rest: nobody can say which is the batch
        assert (found.free, found.max_batch) == (False, 1)
        return
    x = images(4, 2, 3)
    assert found.free
    assert np.array_equal(run(found.model, x=x)[0], np.maximum(x, 0))


def test_a_graph_that_mixes_what_is_merged_keeps_its_batch_of_one(tmp_path: Path) -> None:
    original = merged([2, 3], [1, 2, 3], middle="Softmax")
    found = made_ready(tmp_path, original)
    assert (found.free, found.max_batch) == (False, 1)
    x = images(1, 2, 3)
    assert np.array_equal(run(found.model, x=x)[0], run(original, x=x)[0])


def test_a_batch_axis_that_is_squeezed_away_stays_one(tmp_path: Path) -> None:
    found = made_ready(tmp_path, onnx_models.affine(batch=1, squeezed=True))
    assert (found.free, found.max_batch) == (False, 1)


def test_nothing_is_freed_where_one_image_is_all_that_is_wanted(tmp_path: Path) -> None:
    assert not made_ready(tmp_path, onnx_models.affine(batch=1, reshape_to=1), max_batch=1).free


def test_weights_among_the_inputs_are_no_inputs(tmp_path: Path) -> None:
    model = onnx.load_from_string(onnx_models.convolutions())
    for constant in model.graph.initializer:
        port = helper.make_tensor_value_info(constant.name, constant.data_type, constant.dims)
        model.graph.input.append(port)
    assert list(made_ready(tmp_path, model.SerializeToString()).shapes) == ["x"]


# ------------------------------------------------------------ sides that are free


def sides_free() -> bytes:
    model = onnx.load_from_string(onnx_models.convolutions())
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[2].dim_param, dims[3].dim_param = "height", "width"
    return model.SerializeToString()


def test_sides_that_the_graph_leaves_free_are_those_of_the_manifest(tmp_path: Path) -> None:
    spec = Input(width=32, height=32, layout="nchw", colour="rgb")
    (tmp_path / "model.onnx").write_bytes(sides_free())
    found = ready(tmp_path / "model.onnx", "float32", 4, known_shapes(spec))
    assert found.shapes == {"x": (3, 32, 32)}
    dims = onnx.load_from_string(found.model).graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [0, 3, 32, 32]


def test_without_a_manifest_they_are_an_error_that_names_the_input(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"input 'x' has sides that the graph leaves free \(3, \?"):
        made_ready(tmp_path, sides_free())


def test_the_manifest_tells_the_shapes_of_all_inputs() -> None:
    spec = Input(width=8, height=4, layout="nhwc", colour="bgr", name="picture", sizes="size")
    assert known_shapes(spec) == {"picture": (4, 8, 3), "size": (2,)}
    assert known_shapes(None) == {}


# ------------------------------------------------------------ float16


@pytest.mark.parametrize(
    "model", [onnx_models.convolutions, onnx_models.affine, onnx_models.small_ssd]
)
def test_float16_agrees_with_float32_to_its_eleven_bits(model: object, tmp_path: Path) -> None:
    original = model()  # type: ignore[operator] # one of three
    short = made_ready(tmp_path, original, "float16")
    onnx.checker.check_model(onnx.load_from_string(short.model))
    ((name, shape),) = short.shapes.items()
    x = images(3, *shape)
    for found, right in zip(run(short.model, **{name: x}), run(original, **{name: x}), strict=True):
        assert found.dtype == np.float32  # inputs and outputs stay what they were
        assert np.allclose(found, right, atol=4e-3 * np.abs(right).max())


def test_what_comes_after_the_last_weights_is_not_rounded(tmp_path: Path) -> None:
    original = onnx_models.small_detr()
    short = made_ready(tmp_path, original, "float16")
    x = {"images": images(2, 3, 12, 16), "orig_target_sizes": np.array([[1919, 1079]] * 2)}
    found, right = run(short.model, **x), run(original, **x)
    names = [port.name for port in onnx.load_from_string(original).graph.output]
    boxes, scores = names.index("boxes"), names.index("scores")
    assert np.array_equal(found[boxes], right[boxes])
    assert 0 < np.abs(found[scores] - right[scores]).max() < 1e-3


def test_float16_halves_the_weights(tmp_path: Path) -> None:
    full, short = (
        onnx_models.convolutions(),
        made_ready(tmp_path, onnx_models.convolutions(), "float16"),
    )
    kinds = {one.data_type for one in onnx.load_from_string(short.model).graph.initializer}
    assert TensorProto.FLOAT not in kinds
    assert len(short.model) < 0.52 * len(full)


def with_grid_sample() -> bytes:
    """Two samplings at the same places: the converter casts those once for each."""
    nodes = [
        helper.make_node("GridSample", ["x", "grid"], ["a"]),
        helper.make_node("GridSample", ["a", "grid"], ["b"]),
        helper.make_node("TopK", ["scores", "two"], ["best", "which"]),
        helper.make_node("Add", ["x", "x"], ["double"]),
        helper.make_node("GridSample", ["double", "places"], ["c"]),
        helper.make_node("GridSample", ["double", "places"], ["d"]),
        helper.make_node("Mul", ["grid", "one"], ["places"]),
    ]
    nodes = [nodes[-1], *nodes[:-1]]
    constants = [
        numpy_helper.from_array(np.array([2]), "two"),
        numpy_helper.from_array(np.array(1, np.float32), "one"),
    ]
    shapes = {
        "x": ["N", 1, 4, 4], "grid": ["N", 4, 4, 2], "scores": ["N", 9],
        "b": None, "best": ["N", 2], "which": ["N", 2], "c": None, "d": None,
    }  # fmt: skip
    ports = [
        helper.make_tensor_value_info(
            name, TensorProto.INT64 if name == "which" else TensorProto.FLOAT, shape
        )
        for name, shape in shapes.items()
    ]
    graph = helper.make_graph(nodes, "sampled", ports[:3], ports[3:], constants)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_what_chooses_and_samples_stays_in_float32(tmp_path: Path) -> None:
    short = made_ready(tmp_path, with_grid_sample(), "float16")
    model = onnx.load_from_string(short.model)
    chance = np.random.default_rng(1)
    x = {
        "x": images(2, 1, 4, 4),
        "grid": chance.uniform(-1, 1, (2, 4, 4, 2)).astype(np.float32),
        "scores": (0.5 + np.arange(18).reshape(2, 9) * 1e-5).astype(np.float32),
    }
    found, right = run(short.model, **x), run(with_grid_sample(), **x)
    assert np.allclose(found[0], right[0], atol=4e-3)
    names = [node.name for node in model.graph.node if node.name]
    assert len(names) == len(set(names))


def test_what_is_made_of_the_best_places_stays_in_float32(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "looks"], ["seen"]),
        helper.make_node("TopK", ["seen", "two"], ["best", "which"]),
        helper.make_node("MatMul", ["best", "decodes"], ["y"]),
    ]
    chance = np.random.default_rng(2)
    weights = {
        "looks": chance.normal(0, 1, (3, 9)).astype(np.float32),
        "decodes": chance.normal(0, 1, (2, 4)).astype(np.float32),
    }
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    constants.append(numpy_helper.from_array(np.array([2]), "two"))
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size])
        for name, size in (("x", 3), ("y", 4))
    )
    graph = helper.make_graph(nodes, "decoder", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    short = made_ready(tmp_path, model.SerializeToString(), "float16").model
    found = {one.name: one.data_type for one in onnx.load_from_string(short).graph.initializer}
    assert found["looks"] == TensorProto.FLOAT16
    assert found["decodes"] == TensorProto.FLOAT


# ------------------------------------------------------------ INT8


def quantised(
    zero: np.ndarray | None, *, bias: bool = False, by: Literal["", "Constant", "Identity"] = ""
) -> bytes:
    """`by`: the node that gives the zero point; none: it is among the weights."""
    given = ["zero"] if zero is not None else []
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", *given], ["q"], name="first"),
        helper.make_node("DequantizeLinear", ["q", "step", *given], ["d"], name="second"),
    ]
    constants = [numpy_helper.from_array(np.array(0.1, np.float32), "step")]
    if by == "Constant":
        nodes.insert(0, helper.make_node(by, [], ["zero"], value=numpy_helper.from_array(zero, "")))
    elif by:
        nodes.insert(0, helper.make_node(by, ["kept"], ["zero"]))
    if zero is not None and by != "Constant":
        constants.append(numpy_helper.from_array(zero, "kept" if by else "zero"))
    if bias:
        nodes.append(
            helper.make_node("DequantizeLinear", ["whole", "step"], ["b"], name="the bias")
        )
        nodes.append(helper.make_node("Add", ["d", "b"], ["y"]))
        constants.append(numpy_helper.from_array(np.array([1, 2, 3, 4], np.int32), "whole"))
    else:
        nodes.append(helper.make_node("Identity", ["d"], ["y"]))
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in ("x", "y")
    ]
    graph = helper.make_graph(nodes, "q", ports[:1], ports[1:], constants)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def dynamically_quantised() -> bytes:
    graph = onnx.load_from_string(quantised(np.array(0, np.int8)))
    del graph.graph.node[0], graph.graph.initializer[:]
    of_each_batch = helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "step", "zero"])
    graph.graph.node.insert(0, of_each_batch)
    return graph.SerializeToString()


@pytest.mark.parametrize("by", ["", "Constant"])
def test_symmetric_int8_goes_in_as_it_is(by: Literal["", "Constant"], tmp_path: Path) -> None:
    original = quantised(np.array(0, np.int8), by=by)
    found = made_ready(tmp_path, original)
    x = images(3, 4)
    assert np.array_equal(run(found.model, x=x)[0], run(original, x=x)[0])


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (
            quantised(np.array(3, np.int8)),
            r"zero point is not 0 \(asymmetric\) at the node 'first'",
        ),
        (quantised(np.array(3, np.int8), by="Constant"), "zero point is not 0"),
        (quantised(np.array(0, np.int8), by="Identity"), "zero point is computed at the node"),
        (dynamically_quantised(), r"takes only QuantizeLinear .* \(DynamicQuantizeLinear\)"),
        (quantised(None), "without a zero point values are uint8, at the node 'first'"),
        (quantised(np.array(0, np.uint8)), "values are uint8, it takes int8, at the node 'first'"),
        (quantised(np.array(0, np.int8), bias=True), "a bias is INT32, .* at the node 'the bias'"),
    ],
)
def test_int8_that_tensorrt_does_not_take_is_refused_with_its_node_and_a_way_out(
    model: bytes, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=rf"{complaint}.*models quantize NAME --recipe tensorrt"):
        made_ready(tmp_path, model)


def test_int8_has_no_float16_form(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is INT8 already.*use `precision: float32`"):
        made_ready(tmp_path, quantised(np.array(0, np.int8)), "float16")
