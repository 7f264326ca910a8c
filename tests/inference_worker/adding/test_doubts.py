"""What could be read in a wrong way without an error: it is seen in the values, or asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from inference_worker.adding.candidate import Candidate
from inference_worker.adding.graph import Graph, Port
from inference_worker.adding.inputs import find_inputs
from inference_worker.adding.propose import propose
from inference_worker.adding.runs import Runs
from inference_worker.adding.wishes import Wishes
from inference_worker.formats import BoxesScores, DetrLogits, Finished, Rows, YoloV8
from runtime.errors import UserError
from tests.inference_worker.adding.graphs import (
    Made,
    a_box_in_each_cell,
    graph_of,
    outputs_of,
    rows_of,
)
from tests.inference_worker.raw_outputs import CELLS, HEIGHT, WIDTH, Outputs

Saved = Callable[[Made], Path]
Wished = Callable[..., Wishes]
FED = {"fed_as": "rtdetr"}


def refusal(path: Path, wishes: Wishes) -> str:
    with pytest.raises(UserError) as caught:
        propose(path, wishes)
    return str(caught.value)


def rf_detr(columns: list[int]) -> Outputs:
    """RF-DETR's names. `columns`: the class of each number, 3 for a number that is for nothing."""
    outputs = outputs_of("detr-sigmoid")
    nothing = np.full((len(CELLS), 1), -9.5, dtype=np.float32)
    logits = np.concatenate([outputs["logits"], nothing], axis=1)
    return {"dets": outputs["pred_boxes"], "labels": logits[:, columns]}


def unsure(outputs: Outputs) -> Outputs:
    """No score is above a half."""
    return outputs | {"labels": np.minimum(outputs["labels"], -0.1)}


def test_rf_detrs_labels_are_logits(saved: Saved, wishes: Wished):
    spec = propose(saved(Made(rf_detr([0, 1, 2]))), wishes(**FED)).manifest.output
    assert spec == DetrLogits("labels", "dets")


@pytest.mark.parametrize(("columns", "first"), [([3, 0, 1, 2], 1), ([0, 1, 2, 3], 0)])
def test_which_number_is_for_nothing_is_seen_if_the_other_end_is_of_something(
    saved: Saved, wishes: Wished, columns: list[int], first: int
):
    spec = propose(saved(Made(rf_detr(columns))), wishes(**FED)).manifest.output
    assert spec == DetrLogits("labels", "dets", first_class=first, spare=1 - first)


@pytest.mark.parametrize("first", [0, 1])
def test_which_number_is_for_nothing_is_asked_for_otherwise(
    saved: Saved, wishes: Wished, first: int
):
    path = saved(Made(unsure(rf_detr([3, 0, 1, 2]))))
    assert "whether the first or the last of its numbers is for no" in refusal(path, wishes(**FED))
    spec = propose(path, wishes(**FED, first_class=first)).manifest.output
    assert spec == DetrLogits("labels", "dets", first_class=first, spare=1 - first)


def test_one_class_and_a_number_for_nothing_are_no_softmax(
    saved: Saved, wishes: Wished, tmp_path: Path
):
    (tmp_path / "one.txt").write_text("thing\n")
    said = {"labels": str(tmp_path / "one.txt"), **FED}
    # Of the two the last is far the larger in each query, as "no object" would be.
    outputs = unsure(rf_detr([3, 0]))
    assert "  detr-sigmoid" not in refusal(saved(Made(outputs)), wishes(**said)).splitlines()[0]
    spec = propose(saved(Made(outputs)), wishes(**said, first_class=1)).manifest.output
    assert spec == DetrLogits("labels", "dets", first_class=1)


def with_background(place: str) -> Made:
    """Softmax scores with the background before or behind the classes."""
    outputs = outputs_of("boxes-scores")
    scores = np.full((len(CELLS), 4), 0.02, dtype=np.float32)
    scores[:, 0 if place == "first" else 3] = 0.94
    scores[7] = [0.02, 0.94, 0.02, 0.02]
    return Made(outputs | {"scores": scores})


def test_a_background_before_the_classes_is_seen(saved: Saved, wishes: Wished):
    proposal = propose(saved(with_background("first")), wishes(**FED))
    assert isinstance(proposal.manifest.output, BoxesScores)
    assert proposal.manifest.output.background
    assert "the first class is the background: most have 0.94 of it" in proposal.evidence


def test_a_background_behind_the_classes_is_not_taken_for_a_class(
    saved: Saved, wishes: Wished, tmp_path: Path
):
    path = saved(with_background("last"))
    assert "should be the background, and most have 0.02 of it" in refusal(path, wishes(**FED))
    (tmp_path / "four.txt").write_text("a\nb\nc\nbackground\n")
    said = refusal(path, wishes(labels=str(tmp_path / "four.txt"), **FED))
    assert "of the places would have something" in said


def on_the_picture() -> np.ndarray:
    """(n, 4) xyxy of a box in each cell, none beyond the picture, as trained heads have them."""
    boxes = np.array([seen.box for seen in a_box_in_each_cell()], dtype=np.float32)
    return boxes.clip(0, [WIDTH, HEIGHT, WIDTH, HEIGHT])


@pytest.mark.parametrize("name", ["yolov8", "boxes-scores"])
def test_a_corner_and_a_size_are_not_taken_for_a_centre_and_a_size(
    saved: Saved, wishes: Wished, name: str
):
    boxes = on_the_picture()
    sizes = boxes[:, 2:] - boxes[:, :2]
    centred = np.concatenate([boxes[:, :2] + sizes / 2, sizes], axis=1)
    cornered = np.concatenate([boxes[:, :2], sizes], axis=1)

    def made(given: np.ndarray) -> Made:
        if name == "boxes-scores":
            return Made({"boxes": given, "scores": outputs_of("boxes-scores")["scores"][:, 1:]})
        return Made({"output0": np.concatenate([given.T, outputs_of("yolov8")["output0"][4:]])})

    proposal = propose(saved(made(centred)), wishes(**FED))
    assert any(
        "centre and a size" in line or "follow the grid" in line for line in proposal.evidence
    )
    said = refusal(saved(made(cornered)), wishes(**FED))
    assert "look like the top left corner and size, not like centre and size" in said


@pytest.mark.parametrize(
    ("order", "columns"),
    [
        ((6, 0, 1, 2, 3, 6, 4), ("image", "x1", "y1", "x2", "y2", "class", "score")),
        ((6, 0, 1, 2, 3, 4, 6), ("image", "x1", "y1", "x2", "y2", "score", "class")),
    ],
)
def test_rows_of_one_class_show_which_column_is_the_score(
    saved: Saved, wishes: Wished, tmp_path: Path, order: tuple[int, ...], columns: tuple[str, ...]
):
    (tmp_path / "one.txt").write_text("thing\n")
    said = wishes(labels=str(tmp_path / "one.txt"), **FED)
    spec = propose(saved(Made(rows_of(*order))), said).manifest.output
    assert isinstance(spec, Rows)
    assert spec.columns == columns


@pytest.mark.parametrize("labels", ["coco", "coco90"])
def test_cocos_two_numberings_are_not_taken_for_each_other(
    saved: Saved, wishes: Wished, labels: str
):
    # Of classes 0 to 2 (or 1 to 3) no value shows how many there are.
    for name, right in (("detr", "coco"), ("yolov10", "coco"), ("tensorflow", "coco90")):
        path = saved(graph_of(name))
        if labels == right:
            assert len(propose(path, wishes(labels=labels, **FED)).manifest.labels) in (80, 90)
        else:
            said = refusal(path, wishes(labels=labels, **FED))
            assert "which of COCO's numbers it gives: models" in said
            assert f"--labels {right};" in said


def test_a_backbone_with_ways_of_its_own_is_asked_about(saved: Saved, wishes: Wished):
    path = saved(graph_of("detr"))
    model = onnx.load(path)
    model.graph.node[0].name = "/model/backbone/dinov3/patch_embed/proj/Conv"
    onnx.save(model, path)
    assert "its backbone is DINOv3, which wants ImageNet's mean" in refusal(path, wishes())
    assert propose(path, wishes(fed_as="detr")).manifest.input.mean[0] == 123.675


def test_of_two_outputs_of_one_form_one_has_to_be_named(saved: Saved, wishes: Wished):
    rows = outputs_of("yolov8")["output0"]
    path = saved(Made({"output0": rows, "1903": rows * 1}))
    assert "--output NAME, if only one of the outputs is to be looked" in refusal(path, wishes())
    assert propose(path, wishes(outputs=("1903",))).manifest.output == YoloV8("1903")
    assert "--output none: its outputs are 'output0'" in refusal(path, wishes(outputs=("none",)))


def test_masks_to_be_put_together_are_refused(saved: Saved, wishes: Wished):
    maps = np.zeros((32, HEIGHT // 4, WIDTH // 4), dtype=np.float32)
    path = saved(Made(outputs_of("yolov8") | {"output1": maps}))
    assert "its output 'output1' holds parts of masks" in refusal(path, wishes())


@pytest.mark.parametrize("more", [1, 6, 32])
def test_numbers_for_turned_boxes_poses_and_masks_are_not_taken_for_classes(
    saved: Saved, wishes: Wished, more: int
):
    numbers = np.full((more, len(CELLS)), 0.3, dtype=np.float32)
    rows = np.concatenate([outputs_of("yolov8")["output0"], numbers])
    said = refusal(saved(Made({"output0": rows})), wishes())
    assert (
        f"would have to name {3 + more} classes, and names 3 (or it gives poses, masks or" in said
    )


def test_a_head_with_a_stride_of_4_is_known(saved: Saved, wishes: Wished):
    fine = outputs_of("yolov8")["output0"]
    points = np.array([(x + 0.5, y + 0.5) for y in range(12) for x in range(16)]).T * 4
    rows = np.concatenate([points, points * 0 + 3.1, np.full((3, 192), 0.2)]).astype(np.float32)
    both = np.concatenate([rows, fine], axis=1)
    assert propose(saved(Made({"output0": both})), wishes()).manifest.output == YoloV8()


def test_mmyolos_and_yolo_nas_names_tell_the_order_of_corners(saved: Saved, wishes: Wished):
    outputs = outputs_of("efficient-nms")
    for names in (
        ("num_dets", "boxes", "scores", "labels"),
        (
            "graph2_num_predictions",
            "graph2_pred_boxes",
            "graph2_pred_scores",
            "graph2_pred_classes",
        ),
    ):
        count, boxes, scores, classes = names
        old = ("num_dets", "det_boxes", "det_scores", "det_classes")
        made = Made({new: outputs[key] for new, key in zip(names, old, strict=True)})
        spec = propose(saved(made), wishes(**FED)).manifest.output
        assert spec == Finished(boxes, classes, scores, count)


def test_axes_that_are_all_free_are_colours_height_and_width(saved: Saved, wishes: Wished):
    made = graph_of("yolov8")
    made.inputs = {"images": ("float32", ["batch", "num_channels", "height", "width"])}
    given = propose(saved(made), wishes(size=(WIDTH, HEIGHT))).manifest.input
    assert (given.layout, given.width, given.height) == ("nchw", WIDTH, HEIGHT)


def test_where_nothing_tells_how_a_graph_is_fed_it_is_looked_at_where_it_sees_more():
    seen: list[float] = []

    def sees_fractions_only(inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        largest = float(inputs["images"].max())
        seen.append(largest)
        return [np.full((1, 5), largest <= 1, dtype=np.float32)]

    ports = (Port("images", "float32", (None, 3, HEIGHT, WIDTH)),), (Port("out", "float32", (5,)),)
    graph = Graph(Path("theirs.onnx"), *ports, {}, sees_fractions_only)  # type: ignore[arg-type] # a fake
    white = np.full((HEIGHT, WIDTH, 3), 255, dtype=np.uint8)
    runs = Runs(graph, find_inputs(graph, None), [white])
    candidate = Candidate("finished", Finished("out", "out"), "")
    for _ in range(2):
        assert runs.answer(candidate, Wishes("mine"))["out"].all()
    assert sorted(seen) == [1.0, 255.0]  # each way once
