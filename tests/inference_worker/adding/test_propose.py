"""A graph's format is seen by its shapes and values, or asked for; never guessed in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from inference_worker.adding.propose import propose
from inference_worker.adding.recognise import FORMATS
from inference_worker.adding.wishes import Wishes
from inference_worker.manifest import Letterbox
from runtime.errors import UserError
from tests.inference_worker.adding.graphs import LABELS, Made, graph_of, outputs_of
from tests.inference_worker.adding.test_formats import ASK_MORE, CASES
from tests.inference_worker.raw_outputs import HEADS, HEIGHT, WIDTH

Saved = Callable[[Made], Path]
Wished = Callable[..., Wishes]

# Those that need no flag; the others are in test_formats.py.
RECOGNISED = [
    head for head in HEADS if head.name in FORMATS and head.name not in ASK_MORE | {"ssd"}
]


def refusal(path: Path, wishes: Wishes) -> str:
    with pytest.raises(UserError) as caught:
        propose(path, wishes)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


def test_each_format_that_can_be_named_is_tried():
    assert {head.name for head in RECOGNISED} | {case.name for case in CASES} == set(FORMATS) - {
        "finished-yxyx",  # in tests of their own
        "ssd",
    }


@pytest.mark.parametrize("head", RECOGNISED, ids=lambda head: head.name)
def test_a_format_is_recognised_and_its_manifest_is_complete(head, saved: Saved, wishes: Wished):
    proposal = propose(saved(graph_of(head.name)), wishes())
    assert proposal.manifest.output == head.spec
    assert proposal.manifest.labels == LABELS
    assert (proposal.manifest.input.width, proposal.manifest.input.height) == (WIDTH, HEIGHT)
    assert proposal.manifest.input.name == "images"
    assert proposal.objections == ()
    assert "scores lie within 0 and 1" in proposal.evidence


def test_what_no_graph_tells_is_assumed_as_usual_and_said(saved: Saved, wishes: Wished):
    proposal = propose(saved(graph_of("yolox")), wishes())
    manifest = proposal.manifest
    assert (manifest.input.colour, manifest.input.std) == ("bgr", (1.0, 1.0, 1.0))
    assert manifest.input.letterbox == Letterbox("top-left", 114)
    flags = ("--colour", "--mean, --std", "--letterbox", "--nms-iou", "--score-thr", "--licence")
    assert len(proposal.assumptions) == len(flags)
    for line, flag in zip(proposal.assumptions, flags, strict=True):
        assert flag in line


def test_what_the_user_says_goes_and_is_no_assumption(saved: Saved, wishes: Wished):
    said = wishes(
        colour="rgb",
        mean=(1.0, 2.0, 3.0),
        std=(4.0, 5.0, 6.0),
        letterbox="centre",
        padding=7,
        nms_iou=0.3,
        score_threshold=0.2,
        licence="MIT",
        origin="our own",
        about="the yard's",
    )
    proposal = propose(saved(graph_of("yolox")), said)
    manifest = proposal.manifest
    assert proposal.assumptions == ()
    assert manifest.input.colour == "rgb"
    assert (manifest.input.mean, manifest.input.std) == ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    assert manifest.input.letterbox == Letterbox("centre", 7)
    assert (manifest.nms.iou_threshold, manifest.score_threshold) == (0.3, 0.2)
    assert (manifest.licence, manifest.origin, manifest.about) == ("MIT", "our own", "the yard's")


def test_a_letterbox_can_be_wished_away(saved: Saved, wishes: Wished):
    proposal = propose(saved(graph_of("yolov8")), wishes(letterbox="none"))
    assert proposal.manifest.input.letterbox is None


def test_without_labels_they_are_asked_for(saved: Saved, wishes: Wished):
    assert "has no labels in it; say --labels coco, or --labels FILE" in refusal(
        saved(graph_of("yolov8")), wishes(labels=None)
    )


@pytest.mark.parametrize("names", [dict(enumerate(LABELS)), list(LABELS)])
def test_ultralytics_names_are_the_labels(saved: Saved, wishes: Wished, names: object):
    made = graph_of("yolov8", metadata={"names": str(names), "task": "detect", "license": "AGPL"})
    proposal = propose(saved(made), wishes(labels=None))
    assert proposal.manifest.labels == LABELS
    assert proposal.manifest.licence == "AGPL"
    assert "3 labels by the metadata's names" in proposal.evidence


@pytest.mark.parametrize("names", ["{1: 'a', 3: 'b'}", "{", "7", "[]", "__import__('os')"])
def test_names_that_are_no_list_of_labels_are_not_taken(saved: Saved, wishes: Wished, names: str):
    path = saved(graph_of("yolov8", metadata={"names": names}))
    assert "has no labels in it" in refusal(path, wishes(labels=None))


@pytest.mark.parametrize("task", ["segment", "pose", "obb", "classify"])
def test_a_model_for_another_task_is_refused(saved: Saved, wishes: Wished, task: str):
    path = saved(graph_of("yolov8", metadata={"task": task}))
    assert f"is made for the task {task!r}" in refusal(path, wishes())


@pytest.mark.parametrize("name", ["yolov8", "yolox", "yolov5", "nanodet", "nanodet-plus"])
def test_labels_that_are_too_many_or_too_few_are_refused_with_the_right_number(
    saved: Saved, wishes: Wished, name: str
):
    said = refusal(saved(graph_of(name)), wishes(labels="coco"))
    assert "fits no known format with 80 labels; look at --labels" in said
    assert f"  {name}: " in said
    assert "--labels would have to name 3 classes, and names 80" in said


def test_classes_beyond_the_labels_are_refused(saved: Saved, wishes: Wished, tmp_path: Path):
    (tmp_path / "two.txt").write_text("a\nb\n")
    said = refusal(saved(graph_of("detr")), wishes(labels=str(tmp_path / "two.txt")))
    assert "class numbers from 0 to 2 do not fit 2 labels" in said


def test_outputs_of_no_known_format_are_listed(saved: Saved, wishes: Wished):
    made = Made({"a": np.zeros((7, 3), dtype=np.float32)})
    said = refusal(saved(made), wishes())
    assert "its outputs 'a' [any, 7, 3] are of no format" in said


def changed(name: str, rows: slice, change: Callable[[np.ndarray], np.ndarray]) -> Made:
    """The graph of a head, with some of the numbers of each place made into others."""
    outputs = outputs_of(name)
    (key,) = outputs
    values = outputs[key].T if name == "yolov8" else outputs[key]
    values = values.copy()
    values[:, rows] = change(values[:, rows])
    outputs[key] = np.ascontiguousarray(values.T if name == "yolov8" else values)
    return Made(outputs)


def corners(boxes: np.ndarray) -> np.ndarray:
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


@pytest.mark.parametrize(
    ("name", "rows", "change", "complaint"),
    [
        ("yolov8", slice(4, 7), lambda s: s * 9 - 4, "not within 0 and 1"),
        ("yolov8", slice(0, 4), lambda b: b * 9, "far beyond the input"),
        ("yolov8", slice(0, 4), corners, "boxes look like two corners, not like centre and size"),
        ("yolov8", slice(0, 4), lambda b: b[::-1], "they are not on it"),
        ("yolov5", slice(4, 8), lambda s: s * 9 - 4, "not within 0 and 1"),
        ("nanodet-plus", slice(0, 3), lambda s: s * 9 - 4, "not within 0 and 1"),
        ("yolov10", slice(0, 4), lambda b: b[:, [2, 3, 0, 1]], "second corner right of and below"),
        ("yolov10", slice(0, 4), lambda b: b * 9, "far beyond the input"),
        ("yolov10", slice(5, 6), lambda c: c / 2 + 0.1, "are no whole numbers"),
        ("yolov10", slice(4, 6), lambda c: c[:, ::-1] + 0.1, "not within 0 and 1"),
        ("yolov10", slice(0, 1), lambda x: x * np.nan, "not finite"),
    ],
)
def test_values_that_contradict_a_format_are_told_and_nothing_is_proposed(
    saved: Saved, wishes: Wished, name: str, rows: slice, change, complaint: str
):
    said = refusal(saved(changed(name, rows, change)), wishes())
    assert "fits none of the known formats; say which it is by --format" in said
    assert complaint in next(line for line in said.splitlines() if line.startswith(f"  {name}:"))


def half_on_the_grid(centres: np.ndarray) -> np.ndarray:
    chance = np.random.default_rng(5).uniform(0, 64, centres.shape)
    return centres + 1.2 * chance


def test_between_two_forms_of_yolox_the_user_is_asked_and_believed(saved: Saved, wishes: Wished):
    path = saved(changed("yolox-decoded", slice(0, 2), half_on_the_grid))
    said = refusal(path, wishes())
    assert "\n  yolox: " in said
    assert "\n  yolox-decoded: " in said
    proposal = propose(path, wishes(format="yolox-decoded"))
    assert proposal.manifest.output.decoded
    assert "they are not on it" in proposal.objections[0]


def test_a_format_that_does_not_fit_is_refused_even_if_asked_for(saved: Saved, wishes: Wished):
    said = refusal(saved(graph_of("yolov8")), wishes(format="yolov5"))
    assert "--format yolov5: does not fit the outputs 'output0' [any, 7, 64]" in said
    assert "these fit: yolov8" in said


def test_labels_must_fit_even_if_the_format_is_asked_for(saved: Saved, wishes: Wished):
    said = refusal(saved(graph_of("yolov8")), wishes(format="yolov8", labels="coco"))
    assert "--labels would have to name 3 classes, and names 80" in said


def test_only_a_graph_that_is_told_the_size_gives_boxes_of_that_size(saved: Saved, wishes: Wished):
    made = graph_of("detr")
    del made.inputs["orig_target_sizes"]
    said = refusal(saved(made), wishes())
    assert "  finished: " in said
    assert "  detr: " not in said


def test_a_manifest_says_which_file_it_is_for(saved: Saved, wishes: Wished):
    path = saved(graph_of("yolov8"))
    (weights,) = propose(path, wishes()).manifest.weights
    assert weights.file == "theirs.onnx"
    assert msgspec.convert(msgspec.to_builtins(weights), type(weights)) == weights  # a real sha256
