"""Formats of which something has to be said, and what is asked where it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from inference_worker.adding.by_anchors import YOLO_PRESETS
from inference_worker.adding.propose import propose
from inference_worker.adding.wishes import Wishes
from inference_worker.formats import (
    BoxesScores,
    DetrLogits,
    FastestDet,
    Finished,
    Nanodet,
    Output,
    Rows,
    Ssd,
    YoloAnchors,
    YoloV5,
    YoloV8,
)
from runtime.errors import UserError
from tests.inference_worker.adding.graphs import (
    Made,
    objectness_of,
    one_map,
    outputs_of,
    rows_of,
    undecoded,
)
from tests.inference_worker.raw_outputs import CELLS, CLASSES, HEIGHT, WIDTH, Outputs

Saved = Callable[[Made], Path]
Wished = Callable[..., Wishes]
V5 = YOLO_PRESETS["yolov5"].anchors
PADDLE = ("class", "score", "x1", "y1", "x2", "y2")
END_TO_END = ("image", "x1", "y1", "x2", "y2", "class", "score")
NAS = ("image", "x1", "y1", "x2", "y2", "score", "class")


@dataclass(frozen=True)
class Case:
    """Outputs, what has to be said of them, and what comes of it."""

    name: str  # of the format
    outputs: Outputs
    said: Mapping[str, object]
    spec: Output
    asked: str = ""  # what is asked for where nothing is said
    whole_numbers: tuple[str, ...] = field(default=())


def in_rows() -> Outputs:
    """Of as many queries as no grid has cells."""
    rows = outputs_of("yolov8-anchors-first")["output0"][:50].copy()
    rows[:, :4] /= [WIDTH, HEIGHT, WIDTH, HEIGHT]
    return {"output0": rows}


def four_strides() -> Outputs:
    chance = np.random.default_rng(4)
    outputs: Outputs = {}
    for stride, cells in ((8, 48), (16, 12), (32, 4), (64, 1)):
        outputs[f"c{stride}"] = chance.uniform(0, 1, (cells, CLASSES)).astype(np.float32)
        outputs[f"d{stride}"] = chance.normal(0, 1, (cells, 32)).astype(np.float32)
    return outputs


FED = {"fed_as": "rtmdet"}
CASES = (
    Case("tensorflow", outputs_of("tensorflow"), {"fed_as": "tensorflow"},
         Finished("detection_boxes", "detection_classes", "detection_scores", "num_detections",
                  "yxyx", "fractions", 1), "--fed-as"),
    Case("finished", outputs_of("scored-boxes"), FED, Finished("dets", "labels"), "--fed-as",
         ("labels",)),
    Case("finished", outputs_of("efficient-nms"), FED,
         Finished("det_boxes", "det_classes", "det_scores", "num_dets"), "--fed-as"),
    Case("boxes-scores", outputs_of("boxes-scores"), FED,
         BoxesScores("boxes", "scores", units="fractions", background=True), "--fed-as"),
    Case("boxes-scores", outputs_of("boxes-scores-classes-first"), FED,
         BoxesScores("boxes", "scores", order="cxcywh", layout="classes-first"), "--fed-as"),
    Case("detr-sigmoid", outputs_of("detr-sigmoid"), {"fed_as": "rtdetr"}, DetrLogits(),
         "--fed-as"),
    Case("detr-softmax", outputs_of("detr-softmax"), {}, DetrLogits(activation="softmax")),
    Case("fastestdet", one_map(), {}, FastestDet("output0")),
    Case("paddle", rows_of(5, 4, 0, 1, 2, 3), {"fed_as": "picodet"}, Rows("output0", PADDLE),
         "--fed-as"),
    Case("yolov7-end2end", rows_of(6, 0, 1, 2, 3, 5, 4), {}, Rows("output0", END_TO_END)),
    Case("yolo-nas-flat", rows_of(6, 0, 1, 2, 3, 4, 5), FED, Rows("output0", NAS), "--fed-as"),
    Case("rtdetr-ultralytics", in_rows(), {}, YoloV8("output0", "anchors-first", "fractions")),
    Case("picodet", four_strides(), {"fed_as": "picodet"},
         Nanodet(("c8", "c16", "c32", "c64"), ("d8", "d16", "d32", "d64"), (8, 16, 32, 64)),
         "--fed-as"),
    Case("yolov6", objectness_of(1.0), {}, YoloV5("output0")),
    Case("yolo-anchors", undecoded("anchors-first"), {"anchors": "yolov5"},
         YoloAnchors(("p8", "p16", "p32"), (8, 16, 32), V5), "--anchors yolov5, yolov7"),
    Case("yolo-anchors", undecoded("values-first"), {"anchors": "yolov7-tiny"},
         YoloAnchors(("p8", "p16", "p32"), (8, 16, 32), V5, "values-first"), "--anchors"),
    Case("yolo-anchors", undecoded("values-last", activated=True), {"anchors": "yolov5"},
         YoloAnchors(("p8", "p16", "p32"), (8, 16, 32), V5, "values-last", activated=True),
         "--anchors"),
    Case("yolo-anchors", undecoded("joined"), {"anchors": "yolov3", "fed_as": "ultralytics"},
         YoloAnchors(("all",), (8, 16, 32), V5, "joined", "yolov3"), "--anchors"),
)  # fmt: skip
ASK_MORE = {case.name for case in CASES}
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def made(case: Case) -> Made:
    return Made(dict(case.outputs), whole_numbers=case.whole_numbers)


@every_case
def test_a_format_is_recognised_if_all_is_said(case: Case, saved: Saved, wishes: Wished):
    proposal = propose(saved(made(case)), wishes(**case.said))
    assert proposal.manifest.output == case.spec
    assert proposal.objections == ()


@pytest.mark.parametrize("case", [case for case in CASES if case.asked], ids=lambda case: case.name)
def test_what_no_graph_tells_is_asked_for(case: Case, saved: Saved, wishes: Wished):
    with pytest.raises(UserError, match="can't be seen in the graph") as caught:
        propose(saved(made(case)), wishes())
    assert case.asked in str(caught.value)


def test_saying_all_four_is_as_good_as_naming_a_repository(saved: Saved, wishes: Wished):
    four = {"colour": "bgr", "mean": (1.0,) * 3, "std": (2.0,) * 3, "letterbox": "none"}
    proposal = propose(saved(Made(outputs_of("scored-boxes"))), wishes(**four))
    assert proposal.manifest.input.colour == "bgr"
    assert proposal.manifest.input.std == (2.0, 2.0, 2.0)


def test_a_graph_that_takes_bytes_does_the_arithmetic_itself(saved: Saved, wishes: Wished):
    graph = Made(outputs_of("tensorflow"), {"images": ("uint8", ["N", HEIGHT, WIDTH, 3])})
    given = propose(saved(graph), wishes()).manifest.input
    assert (given.colour, given.dtype, given.std) == ("rgb", "uint8", (1.0, 1.0, 1.0))
    assert given.letterbox is None


@pytest.mark.parametrize("name", ["yolov5", "yolov8", "yolov8-anchors-first"])
def test_boxes_in_fractions_are_seen_to_be_some(saved: Saved, wishes: Wished, name: str):
    outputs = outputs_of(name)
    boxes = outputs["output0"][:4] if name == "yolov8" else outputs["output0"][:, :4].T
    boxes /= np.array([[WIDTH], [HEIGHT], [WIDTH], [HEIGHT]], dtype=np.float32)
    spec = propose(saved(Made(outputs)), wishes()).manifest.output
    assert isinstance(spec, YoloV5 | YoloV8)
    assert spec.units == "fractions"


def test_a_graph_that_sees_nothing_does_not_tell_its_units(saved: Saved, wishes: Wished):
    outputs = outputs_of("scored-boxes")
    outputs["dets"] = outputs["dets"] * 0
    with pytest.raises(UserError, match=r"no box in it .* by --frames"):
        propose(saved(Made(outputs)), wishes(**FED))


def three_in_two_forms() -> Outputs:
    """Boxes and flat numbers that could be x y x y or y x y x, with classes from 1."""
    rows = outputs_of("yolov10")["output0"]
    return {"a": rows[:, :4], "b": rows[:, 4], "c": rows[:, 5] + 1}


def test_corners_whose_order_nothing_tells_are_asked_for(saved: Saved, wishes: Wished):
    path = saved(Made(three_in_two_forms()))
    with pytest.raises(UserError, match="fits several formats; say which it is by --format"):
        propose(path, wishes(**FED, first_class=1))
    for form, order in (("finished", "xyxy"), ("finished-yxyx", "yxyx")):
        spec = propose(path, wishes(**FED, first_class=1, format=form)).manifest.output
        assert spec == Finished("a", "c", "b", order=order, first_class=1)


@pytest.mark.parametrize(
    ("classes", "first"), [([0, 1, 2], 0), ([1, 2, 3], 1), ([1, 2, 1], None), ([0, 1, 3], None)]
)
def test_the_number_of_the_first_class_is_seen_or_asked_for(
    saved: Saved, wishes: Wished, classes: list[int], first: int | None
):
    outputs = three_in_two_forms()
    outputs["c"] = np.resize(classes, len(CELLS)).astype(np.float32)
    path = saved(Made(outputs))
    if first is not None:
        proposal = propose(path, wishes(**FED, format="finished"))
        assert proposal.manifest.output == Finished("a", "c", "b", first_class=first)
        return
    with pytest.raises(UserError, match=r"say --first-class|from 0 to 3 do not fit 3 labels"):
        propose(path, wishes(**FED, format="finished"))


def test_what_the_user_says_of_the_first_class_goes(saved: Saved, wishes: Wished):
    outputs = three_in_two_forms()
    outputs["c"] = np.resize([1, 2, 1], len(CELLS)).astype(np.float32)
    proposal = propose(saved(Made(outputs)), wishes(**FED, format="finished", first_class=0))
    assert proposal.manifest.output == Finished("a", "c", "b")


def test_a_softmax_and_a_sigmoid_are_told_apart_by_the_share_of_no_object(
    saved: Saved, wishes: Wished
):
    # One number more than labels: "no object" behind them, or nothing before them.
    softmax = outputs_of("detr-softmax")
    spec = propose(saved(Made(softmax)), wishes()).manifest.output
    assert spec == DetrLogits(activation="softmax")
    sigmoid = outputs_of("detr-sigmoid")
    nothing = np.full((len(CELLS), 1), -20.5, dtype=np.float32)
    sigmoid["logits"] = np.concatenate([nothing, sigmoid["logits"]], axis=1)
    spec = propose(saved(Made(sigmoid)), wishes(fed_as="detr")).manifest.output
    assert spec == DetrLogits(first_class=1)


def test_anchors_of_one_s_own_are_taken(saved: Saved, wishes: Wished):
    own = tuple(tuple(float(value) for value in range(s, s + 6)) for s in (1, 7, 13))
    said = wishes(anchors=own, fed_as="ultralytics")
    spec = propose(saved(Made(undecoded("anchors-first"))), said).manifest.output
    assert isinstance(spec, YoloAnchors)
    assert spec.anchors == own


@pytest.mark.parametrize(
    ("anchors", "complaint"),
    [
        ("yolov3-tiny", "--anchors: are not for strides 8, 16, 32"),
        (((1.0, 2.0),) * 3, "--anchors: expected 3 widths and heights for each stride"),
        (((1.0, 2.0),) * 2, "--anchors: are not for strides 8, 16, 32"),
    ],
)
def test_anchors_for_another_head_are_refused(
    saved: Saved, wishes: Wished, anchors: object, complaint: str
):
    with pytest.raises(UserError, match=complaint):
        propose(saved(Made(undecoded("anchors-first"))), wishes(anchors=anchors))


def test_raw_heads_beside_a_decoded_output_are_left_aside(saved: Saved, wishes: Wished):
    both = outputs_of("yolov5") | undecoded("anchors-first")
    assert propose(saved(Made(both)), wishes()).manifest.output == YoloV5("output0")


def test_decoded_numbers_are_no_raw_head(saved: Saved, wishes: Wished):
    heads = {name: head * 40 for name, head in undecoded("anchors-first").items()}
    with pytest.raises(UserError, match="its boxes are decoded already"):
        propose(saved(Made(heads)), wishes(anchors="yolov5"))


def raw_ssd(size: int = 300) -> Made:
    chance = np.random.default_rng(4)
    boxes = chance.normal(0, 2, (1917, 4)).astype(np.float32)
    scores = chance.normal(-3, 2, (1917, CLASSES + 1)).astype(np.float32)
    return Made({"boxes": boxes, "scores": scores}, {"images": ("float32", ["N", 3, size, size])})


def test_ssd_needs_its_anchors_said(saved: Saved, wishes: Wished):
    path = saved(raw_ssd())
    with pytest.raises(UserError, match="as many has --anchors ssd-mobilenet"):
        propose(path, wishes(**FED))
    spec = propose(path, wishes(anchors="ssd-mobilenet", fed_as="mediapipe")).manifest.output
    assert isinstance(spec, Ssd)
    assert (spec.background, spec.activated, len(spec.anchors.strides)) == (True, False, 6)


def test_ssd_of_another_number_of_anchors_is_not_known(saved: Saved, wishes: Wished):
    with pytest.raises(UserError, match=r"sizes below 0|are of no format"):
        propose(saved(raw_ssd(size=320)), wishes(anchors="ssd-mobilenet", **FED))


def test_a_decoder_with_scores_and_raw_offsets_is_not_taken_for_decoded(
    saved: Saved, wishes: Wished
):
    # Ultra-Light-Face's own "without post-processing" has the same names and shapes as with it.
    outputs = outputs_of("boxes-scores")
    chance = np.random.default_rng(4)
    outputs["boxes"] = chance.normal(0, 2, outputs["boxes"].shape).astype(np.float32)
    with pytest.raises(UserError, match="fits none of the known formats"):
        propose(saved(Made(outputs)), wishes(**FED))


def test_paddles_further_inputs_get_what_fits_a_picture_that_fills_the_input(
    saved: Saved, wishes: Wished
):
    graph = Made(rows_of(5, 4, 0, 1, 2, 3))
    graph.inputs["im_shape"] = ("float32", ["N", 2])
    graph.inputs["scale_factor"] = ("float32", ["N", 2])
    given = propose(saved(graph), wishes(fed_as="picodet")).manifest.input.also
    assert {one.name: one.values for one in given} == {
        "im_shape": (HEIGHT, WIDTH),
        "scale_factor": (1.0, 1.0),
    }
