"""What a graph wants to be fed with, and what can't be given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import openvino
import pytest
from onnx import TensorProto, helper

from inference_worker.adding import read
from inference_worker.adding.propose import propose
from inference_worker.adding.wishes import Wishes
from inference_worker.formats import YoloV8
from inference_worker.manifest import Input
from runtime.errors import UserError
from tests.inference_worker.adding.graphs import Made, graph_of

Saved = Callable[[Made], Path]
Wished = Callable[..., Wishes]


def with_inputs(**inputs: tuple[str, list[int | str]]) -> Made:
    made = graph_of("yolov8")
    made.inputs = inputs
    return made


@pytest.fixture
def proposed(saved: Saved, wishes: Wished) -> Callable[..., Input]:
    return lambda made, **said: propose(saved(made), wishes(**said)).manifest.input


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_the_type_of_the_input_is_taken_over(proposed, dtype: str):
    assert proposed(with_inputs(images=(dtype, ["N", 3, 48, 64]))).dtype == dtype


def test_colours_in_the_last_axis_are_nhwc(proposed):
    found = proposed(with_inputs(images=("float32", [1, 48, 64, 3])))
    assert (found.layout, found.width, found.height) == ("nhwc", 64, 48)


def test_a_size_that_is_free_is_the_users_or_the_exporters(proposed, saved: Saved, wishes: Wished):
    free = with_inputs(images=("float32", ["N", 3, "H", "W"]))
    assert proposed(free, size=(64, 48)).width == 64
    with pytest.raises(UserError, match=r"takes pictures of any size; .* --size 640x640"):
        propose(saved(free), wishes())
    free.metadata = {"imgsz": "[48, 64]"}
    assert (proposed(free).width, proposed(free).height) == (64, 48)


def test_a_size_that_is_not_the_graphs_is_refused(proposed):
    with pytest.raises(UserError, match="--size: the graph's input is 64 x 48"):
        proposed(with_inputs(images=("float32", ["N", 3, 48, 64])), size=(640, 640))


def test_an_input_for_the_pictures_size_is_named(proposed):
    assert proposed(graph_of("detr")).sizes == "orig_target_sizes"


@pytest.mark.parametrize(
    "more",
    [
        {"scale": ("float32", ["N", 2])},
        {"more": ("float32", ["N", 3, 48, 64])},
        {"a": ("int64", ["N", 2]), "b": ("int64", ["N", 2])},
        {"sizes": ("int64", ["N", 4])},
    ],
)
def test_inputs_that_cannot_be_given_are_listed(proposed, more: dict[str, tuple[str, list]]):
    with pytest.raises(UserError, match=r"its inputs are 'images' float32 \[any, 3, 48, 64\], '"):
        proposed(with_inputs(images=("float32", ["N", 3, 48, 64]), **more))


@pytest.mark.parametrize("shape", [["N", 1, 48, 64], ["N", 3, 48, 3], ["N", "C", 48, 64]])
def test_an_input_without_three_colours_is_refused(proposed, shape: list[int | str]):
    with pytest.raises(UserError, match="has no axis of 3 colours, or two"):
        proposed(with_inputs(images=("float32", shape)))


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x08\x08"])
def test_a_file_that_is_no_model_is_an_error_that_names_it(
    tmp_path: Path, wishes: Wished, content: bytes
):
    path = tmp_path / "theirs.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"theirs\.onnx: ONNX Runtime can't read this file: ."):
        propose(path, wishes())


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.pt", b"", "is a checkpoint of PyTorch; export it"),
        ("a.engine", b"", "bring the ONNX it was made of"),
        ("a.docx", b"", r"can't be read; these can: \.onnx, \.tflite, \.pb"),
        ("a.onnx", b"no model", "it is no ONNX, or not a whole one; copy or export it again"),
        ("a.onnx", b"", "it is no ONNX, or not a whole one; copy or export it again"),
        ("a.onnx", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.xml", b"<net/>", r"its weights, a\.bin, are not beside it"),
        ("a.tflite", b"no model", "OpenVINO can't read this file: ."),
        ("a.pb", b"no model", "OpenVINO can't read this file: ."),
    ],
)
def test_what_else_is_no_model_is_told_with_what_to_do(
    tmp_path: Path, wishes: Wished, name: str, content: bytes, complaint: str
):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=complaint):
        propose(tmp_path / name, wishes())


@pytest.mark.parametrize(
    ("name", "package"),
    [("a.onnx", "onnx"), ("a.onnx", "onnxruntime"), ("a.tflite", "tflite"), ("a.pb", "openvino")],
)
def test_where_what_reads_it_is_not_installed_the_extra_is_named(
    tmp_path: Path, wishes: Wished, monkeypatch: pytest.MonkeyPatch, name: str, package: str
):
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(read, "find_spec", lambda asked: None if asked == package else object())
    complaint = rf"{package} is not installed: pip install 'onehertz\[worker-cpu,models\]'"
    with pytest.raises(UserError, match=complaint):
        propose(tmp_path / name, wishes())


def with_operator(name: str, domain: str = "", opset: int = 17) -> bytes:
    port = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        [helper.make_node(name, ["x"], ["y"], domain=domain)], "g", [port], [answer]
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("TRT", 1)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            with_operator("EfficientNMS_TRT", "TRT"),
            "no operator 'TRT:EfficientNMS_TRT'; export the .* without its NMS",
        ),
        (with_operator("Relux"), "it has no operator 'Relux'"),
        (with_operator("Relu", opset=99), "export it with an older opset"),
    ],
)
def test_an_operator_or_opset_that_is_not_there_is_named(
    tmp_path: Path, wishes: Wished, content: bytes, complaint: str
):
    path = tmp_path / "theirs.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=complaint):
        propose(path, wishes())


def test_a_batch_of_another_fixed_size_is_refused(proposed):
    with pytest.raises(UserError, match="for batches of exactly 4; export it with a batch of 1"):
        proposed(with_inputs(images=("float32", [4, 3, 48, 64])))


def test_openvinos_own_files_are_read(saved: Saved, wishes: Wished, tmp_path: Path):
    path = tmp_path / "theirs.xml"
    openvino.save_model(openvino.Core().read_model(saved(graph_of("yolov8"))), path)
    manifest = propose(path, wishes()).manifest
    assert manifest.output == YoloV8()
    assert [part.file for part in manifest.weights[0].beside] == ["theirs.bin"]
