"""A folder is written whole, of a model that is fit to serve, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import inference_worker.adding.add as adding
from inference_worker.adding.add import Added, add_model
from inference_worker.adding.propose import propose
from inference_worker.adding.wishes import Wishes
from inference_worker.admission import NotFit, Reference, Verdict, admit
from inference_worker.admission.checking import check
from inference_worker.detector import Detector
from inference_worker.loading import load_detector
from inference_worker.settings import InferSettings
from inference_worker.store import Store
from runtime.errors import UserError
from schemas.messages import Box
from tests.inference_worker.adding.graphs import (
    LABELS,
    NMS_BOXES,
    NMS_LABELS,
    Made,
    graph_of,
    with_nms,
)
from tests.inference_worker.raw_outputs import HEIGHT, WIDTH
from tests.inference_worker.test_store import no_assets

SETTINGS = InferSettings(threads=1, max_batch=3)


@pytest.fixture
def add(
    saved: Callable[[Made], Path], wishes: Callable[..., Wishes], tmp_path: Path
) -> Callable[..., Added]:
    def run(made: Made, *, replace: bool = False, **said: object) -> Added:
        path = saved(made)
        return add_model(
            propose(path, wishes(**said)), tmp_path / "models", SETTINGS, replace=replace
        )

    return run


def serving(root: Path, **settings: object):
    chosen = {"model": "mine", "model_folders": (root,)} | settings
    return load_detector(SETTINGS.model_copy(update=chosen), no_assets)


@pytest.mark.parametrize("name", ["detr", "yolox", "yolov5", "yolov8", "yolov10", "nanodet"])
def test_what_was_added_serves_on_each_engine(add, tmp_path: Path, name: str):
    added = add(graph_of(name))
    assert added.folder == tmp_path / "models" / "mine"
    assert sorted(path.name for path in added.folder.iterdir()) == ["manifest.yaml", "theirs.onnx"]
    for engine in ("openvino", "onnxruntime"):
        detector = serving(tmp_path / "models", backend=engine)
        (boxes,) = detector.detect([np.full((48, 64, 3), 90, dtype=np.uint8)])
        assert len(boxes) > 5
        assert {box.label for box in boxes} == {"thing 0", "thing 1", "thing 2"}


def test_the_manifest_reads_as_one_that_was_written_by_hand(add):
    text = (add(graph_of("yolox"), licence="MIT").folder / "manifest.yaml").read_text()
    assert "null" not in text
    assert text.startswith(
        "name: mine\nabout: yolox, 64 x 48, 3 classes\nlicence: MIT\norigin: theirs.onnx\n"
    )
    assert "  strides: [8, 16, 32]\n" in text
    assert "labels:\n- thing 0\n- thing 1\n" in text


def test_a_model_of_the_name_is_only_replaced_if_asked_to(add, tmp_path: Path):
    add(graph_of("yolox"))
    with pytest.raises(UserError, match=r"mine: is there already; say --replace, or another --na"):
        add(graph_of("yolov8"))
    store = Store(no_assets, [tmp_path / "models"])
    assert store.manifest("mine").about.startswith("yolox")
    add(graph_of("yolov8"), replace=True)
    assert store.manifest("mine").about.startswith("yolov8")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["mine"]


@pytest.mark.parametrize("there_before", [False, True])
def test_a_model_that_is_not_fit_leaves_no_trace(add, tmp_path: Path, there_before: bool):
    if there_before:
        add(graph_of("yolox"))
    with pytest.raises(UserError, match="gives the same answer whatever the picture"):
        add(graph_of("yolov8", alive=0.0), replace=True)
    left = [path.name for path in (tmp_path / "models").iterdir()]
    assert left == (["mine"] if there_before else [])
    if there_before:
        assert serving(tmp_path / "models").manifest.about.startswith("yolox")


def test_a_graph_that_only_says_it_takes_batches_gets_a_manifest_for_single_pictures(
    add, tmp_path: Path
):
    added = add(graph_of("yolov8", only_one=True))
    assert added.verdict.batch_sizes == (1,)
    assert added.only_single.startswith("a batch of 2 failed: ")
    assert "try another" not in added.only_single
    assert Store(no_assets, [tmp_path / "models"]).manifest("mine").max_batch == 1
    assert serving(tmp_path / "models").backend.max_batch == 1


def test_an_honest_graph_gets_no_such_limit(add, tmp_path: Path):
    added = add(graph_of("yolov8"))
    assert (added.verdict.batch_sizes, added.only_single) == ((1, 2, 3), "")
    assert Store(no_assets, [tmp_path / "models"]).manifest("mine").max_batch is None


def with_a_determinant(made: Made) -> bytes:
    """The same graph with an operator that ONNX Runtime has and OpenVINO has not."""
    model = onnx.load_from_string(made.file())
    first = next(node for node in model.graph.node if node.output[0] == "mean")
    first.output[0] = "plain mean"
    matrix = np.array([[[1, 0], [0, 1]]], dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(matrix, "matrix"))
    place = list(model.graph.node).index(first) + 1
    model.graph.node.insert(place, helper.make_node("Det", ["matrix"], ["one"]))
    model.graph.node.insert(place + 1, helper.make_node("Mul", ["plain mean", "one"], ["mean"]))
    return bytes(model.SerializeToString())


def only_on_onnxruntime(root: Path) -> None:
    """By `auto`; who names the other one gets it."""
    assert Store(no_assets, [root]).manifest("mine").not_on == ("openvino",)
    assert serving(root).backend.name == "onnxruntime"
    of_model = SETTINGS.model_copy(update={"model": "mine", "model_folders": (root,)})
    (checked,) = check(of_model, no_assets, Reference((), 0.0, "", ""))
    assert (checked.engine, checked.refusal) == ("onnxruntime", "")


def test_an_engine_that_cannot_read_the_graph_is_left_out(
    wishes: Callable[..., Wishes], tmp_path: Path
):
    path = tmp_path / "theirs.onnx"
    path.write_bytes(with_a_determinant(graph_of("yolov8")))
    added = add_model(propose(path, wishes()), tmp_path / "models", SETTINGS)
    assert added.backend.name == "onnxruntime"
    assert list(added.left_out) == ["openvino"]
    assert "Det" in added.left_out["openvino"]
    only_on_onnxruntime(tmp_path / "models")
    with pytest.raises(UserError, match="Det"):
        serving(tmp_path / "models", backend="openvino")


def test_an_engine_that_sees_other_boxes_is_left_out(
    add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def strict(detector: Detector, reference: Reference) -> Verdict:
        if detector.backend.name == "openvino":
            raise NotFit(detector, "3 of 4 boxes are lost")
        return admit(detector, reference)

    monkeypatch.setattr(adding, "admit", strict)
    added = add(graph_of("yolov8"))
    assert added.left_out == {"openvino": "3 of 4 boxes are lost"}
    assert (added.backend.name, added.only_single) == ("onnxruntime", "")
    only_on_onnxruntime(tmp_path / "models")
    assert serving(tmp_path / "models", backend="openvino").backend.name == "openvino"


def test_with_an_engine_that_is_named_no_other_is_tried(
    wishes: Callable[..., Wishes], tmp_path: Path
):
    path = tmp_path / "theirs.onnx"
    path.write_bytes(with_a_determinant(graph_of("yolov8")))
    named = SETTINGS.model_copy(update={"backend": "openvino"})
    with pytest.raises(UserError, match="Det"):
        add_model(propose(path, wishes()), tmp_path / "models", named)
    assert not (tmp_path / "models" / "mine").exists()


def test_a_model_for_no_engine_that_is_here_says_so(add, tmp_path: Path):
    manifest = add(graph_of("yolov8")).folder / "manifest.yaml"
    manifest.write_text(manifest.read_text() + "not_on: [openvino, onnxruntime]\n")
    with pytest.raises(UserError, match="mine is not for openvino, onnxruntime"):
        serving(tmp_path / "models")


@pytest.fixture
def in_two_files(saved: Callable[[Made], Path]) -> Path:
    path = saved(graph_of("yolov8"))
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="theirs.data", size_threshold=64
    )
    return path


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_weights_in_another_file_come_too(
    in_two_files: Path, wishes: Callable[..., Wishes], tmp_path: Path, engine: str
):
    added = add_model(propose(in_two_files, wishes()), tmp_path / "models", SETTINGS)
    names = sorted(path.name for path in added.folder.iterdir())
    assert names == ["manifest.yaml", "theirs.data", "theirs.onnx"]
    (tmp_path / "theirs.data").unlink()
    detector = serving(tmp_path / "models", backend=engine)
    assert len(detector.detect([np.full((48, 64, 3), 90, dtype=np.uint8)])[0]) > 5


def test_weights_in_another_file_that_were_changed_do_not_serve(
    in_two_files: Path, wishes: Callable[..., Wishes], tmp_path: Path
):
    added = add_model(propose(in_two_files, wishes()), tmp_path / "models", SETTINGS)
    data = added.folder / "theirs.data"
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"theirs\.data: is not the file that mine was made for"):
        serving(tmp_path / "models")


def test_weights_in_another_file_that_is_missing_are_named(
    in_two_files: Path, wishes: Callable[..., Wishes]
):
    (in_two_files.parent / "theirs.data").unlink()
    with pytest.raises(UserError, match=r"'theirs\.data' beside it .* not there; copy it too"):
        propose(in_two_files, wishes())


@pytest.mark.parametrize("name", ["rows", "tensorflow", "scored-boxes", "efficient-nms"])
def test_what_has_its_suppression_in_the_graph_serves(add, tmp_path: Path, name: str):
    add(graph_of(name), fed_as="ultralytics")
    (boxes,) = serving(tmp_path / "models").detect([np.full((48, 64, 3), 90, dtype=np.uint8)])
    assert len(boxes) > 5
    assert {box.label for box in boxes} == {"thing 0", "thing 1", "thing 2"}


def sides(box: Box) -> tuple[float, float, float, float]:
    return box.x1 * WIDTH, box.y1 * HEIGHT, box.x2 * WIDTH, box.y2 * HEIGHT


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_graph_that_leaves_as_many_rows_as_it_sees_things_serves(
    wishes: Callable[..., Wishes], tmp_path: Path, engine: str
):
    path = tmp_path / "theirs.onnx"
    path.write_bytes(with_nms())
    bright = np.full((HEIGHT, WIDTH, 3), 255, dtype=np.uint8)
    said = wishes(mean=(0.0,) * 3, std=(1.0,) * 3, letterbox="none")
    add_model(propose(path, said, [bright]), tmp_path / "models", SETTINGS)
    detector = serving(tmp_path / "models", backend=engine)
    assert detector.backend.max_batch == 1
    # Scores are .9, .7 and .6 in the brightest light, and the graph's own threshold is .25. The
    # second box is suppressed by the first: so three, one and none are left.
    for light, expected in ((255, (0, 2, 3)), (74, (0,)), (50, ())):
        boxes = detector.boxes_of(*detector.infer([bright // 255 * light]), score_floor=0.1)[0]
        corners = [tuple(round(v) for v in sides(b)) for b in boxes]
        assert corners == [NMS_BOXES[place] for place in expected]
        assert [box.label for box in boxes] == [LABELS[NMS_LABELS[place]] for place in expected]


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(
    saved: Callable[[Made], Path], wishes: Callable[..., Wishes], tmp_path: Path
):
    (tmp_path / "models").write_text("a file")
    path = saved(graph_of("yolov8"))
    with pytest.raises(UserError, match=r"models/mine: can't be written: (File exists|Not a dir)"):
        add_model(propose(path, wishes()), tmp_path / "models", SETTINGS)


@pytest.mark.parametrize("name", ["../mine", "Mine", "", "a b"])
def test_a_name_that_is_no_name_is_refused(add, name: str, tmp_path: Path):
    with pytest.raises(UserError, match="--name"):
        add(graph_of("yolov8"), name=name)
    assert not (tmp_path / "mine").exists()
