"""One suite that every decoder must pass, and each format's own rules by values worked by hand."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_worker.decoders import Candidates, Decoder, decoder_of
from inference_worker.formats import (
    FastestDet,
    Finished,
    Nanodet,
    NanodetPlus,
    Output,
    Rows,
    WithoutNms,
    YoloAnchors,
    YoloV5,
    YoloV8,
    YoloV10,
    Yolox,
)
from inference_worker.manifest import Nms
from runtime.errors import FatalError
from tests.inference_worker.onnx_models import SMALL_SSD
from tests.inference_worker.raw_outputs import (
    BINS,
    CELLS,
    CLASSES,
    HEADS,
    HEIGHT,
    WIDTH,
    Head,
    Seen,
)

FLOOR = 0.3
every_head = pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)

# With NanoDet-Plus a side counts from half a stride further left and up.
sides = st.floats(0.5, BINS - 1.5)
seen_things = st.builds(
    Seen,
    place=st.integers(0, len(CELLS) - 1),
    distances=st.tuples(sides, sides, sides, sides),
    label=st.integers(0, CLASSES - 1),
    score=st.floats(0.01, 0.99).filter(lambda score: abs(score - FLOOR) > 1e-4),
)
batches = st.lists(
    st.lists(seen_things, max_size=5, unique_by=lambda seen: seen.place), min_size=1, max_size=3
)


def decoder_for(spec: Output, classes: int = CLASSES, **size: int) -> Decoder:
    size = {"width": WIDTH, "height": HEIGHT} | size
    manifest = msgspec.structs.replace(
        SMALL_SSD,
        output=spec,
        labels=tuple(f"label {index}" for index in range(classes)),
        input=msgspec.structs.replace(SMALL_SSD.input, **size),
        nms=None if isinstance(spec, WithoutNms) else Nms(iou_threshold=0.5),
    )
    return decoder_of(manifest)


# Batches of up to 15 boxes, for each of two dozen heads.
@settings(max_examples=25)
@every_head
@given(batch=batches)
def test_what_a_head_sees_comes_out_image_by_image_if_it_is_above_the_floor(
    head: Head, batch: list[list[Seen]]
):
    decoded = decoder_for(head.spec).decode(head.encode(batch), FLOOR)
    assert len(decoded) == len(batch)
    for candidates, seen in zip(decoded, batch, strict=True):
        expected = [one for one in seen if one.score > FLOOR]
        assert len(candidates.scores) == len(expected)
        assert all(is_among(one, candidates) for one in expected)


def is_among(seen: Seen, candidates: Candidates) -> bool:
    pixels = candidates.boxes * [WIDTH, HEIGHT, WIDTH, HEIGHT]
    return bool(
        (
            (np.abs(pixels - seen.box).max(axis=1) < 0.01)
            & (np.abs(candidates.scores - seen.score) < 1e-5)
            & (candidates.classes == seen.label)
        ).any()
    )


ONE = Seen(place=9, distances=(1.0, 0.5, 1.5, 2.0), label=2, score=0.8)


@every_head
def test_an_output_of_another_name_is_refused(head: Head):
    outputs = {f"other {name}": array for name, array in head.encode([[ONE]]).items()}
    with pytest.raises(FatalError, match=r"the model has no output '.+'; it has: other"):
        decoder_for(head.spec).decode(outputs, FLOOR)


@every_head
def test_a_model_with_more_classes_than_labels_is_refused(head: Head):
    with pytest.raises(FatalError, match=r"its manifest (asks for \(batch|has 2 labels)"):
        decoder_for(head.spec, classes=2).decode(head.encode([[ONE]]), FLOOR)


@every_head
def test_an_output_that_lacks_an_axis_is_refused(head: Head):
    outputs = {name: array[0] for name, array in head.encode([[ONE]]).items()}
    with pytest.raises(FatalError, match="has the shape"):
        decoder_for(head.spec).decode(outputs, FLOOR)


@pytest.mark.parametrize(
    "head",
    [head for head in HEADS if isinstance(head.spec, Yolox | Nanodet | NanodetPlus | YoloAnchors)],
    ids=lambda head: head.name,
)
def test_a_grid_for_another_input_is_refused(head: Head):
    with pytest.raises(FatalError, match="has the shape"):
        decoder_for(head.spec, width=128).decode(head.encode([[ONE]]), FLOOR)


@every_head
def test_nothing_seen_is_nothing_found(head: Head):
    decoded = decoder_for(head.spec).decode(head.encode([[], []]), FLOOR)
    assert [len(candidates.scores) for candidates in decoded] == [0, 0]
    assert all(candidates.boxes.shape == (0, 4) for candidates in decoded)


def found_in(spec: Output, **outputs: Any) -> tuple[list[float], float, int]:
    """Box in pixels, score and class of the one candidate."""
    arrays = {name: np.asarray(array, dtype=np.float32) for name, array in outputs.items()}
    (found,) = decoder_for(spec).decode(arrays, FLOOR)
    (box,), (score,), (label,) = found.boxes, found.scores, found.classes
    return (box * [WIDTH, HEIGHT, WIDTH, HEIGHT]).tolist(), float(score), int(label)


def row_among_zeros(place: int, *values: float) -> np.ndarray:
    rows = np.zeros((1, len(CELLS), len(values)))
    rows[0, place] = values
    return rows


def test_yolox_counts_from_the_corner_of_the_cell_in_strides():
    # Place 53: second row (1), second column (1) of the 4 x 3 cells of 16 pixels. Centre
    # (1 + .25) * 16 = 20 across, (1 - .5) * 16 = 8 down; twice as wide as a stride, as high as one.
    raw = row_among_zeros(53, 0.25, -0.5, math.log(2), 0.0, 0.8, 0.1, 0.9, 0.2)
    box, score, label = found_in(Yolox(), output=raw)
    assert box == pytest.approx([4, 0, 36, 16])
    assert (score, label) == (pytest.approx(0.72), 1)


def test_yolov5_multiplies_objectness_and_class():
    raw = row_among_zeros(2, 30, 20, 10, 8, 0.5, 0.2, 0.3, 0.9)
    box, score, label = found_in(YoloV5(), output0=raw)
    assert box == pytest.approx([25, 16, 35, 24])
    assert (score, label) == (pytest.approx(0.45), 2)


def test_yolov8_has_no_objectness():
    raw = row_among_zeros(2, 30, 20, 10, 8, 0.5, 0.2, 0.3).transpose(0, 2, 1)
    box, score, label = found_in(YoloV8(), output0=raw)
    assert box == pytest.approx([25, 16, 35, 24])
    assert (score, label) == (pytest.approx(0.5), 0)


def test_an_objectness_above_the_floor_is_not_enough():
    raw = row_among_zeros(2, 30, 20, 10, 8, 0.9, 0.2, 0.3, 0.1)
    (found,) = decoder_for(YoloV5()).decode({"output0": raw}, FLOOR)
    assert len(found.scores) == 0


@pytest.mark.parametrize(
    ("spec", "edge"), [(NanodetPlus(output="o", strides=(8, 16, 32)), 16.0), (None, 24.0)]
)
def test_a_distance_is_the_mean_of_its_distribution(spec: NanodetPlus | None, edge: float):
    # Place 53: its cell of 16 pixels begins at 16, 16, its centre is 24, 24. Equal logits on all
    # of 0..7 are 3.5 strides; all weight on 2 is two strides.
    even, two = [0.0] * 8, [0.0, 0.0, 90.0] + [0.0] * 5
    values = [0.1, 0.6, 0.2, *even, *two, *two, *even]
    raw = row_among_zeros(53, *values)
    if spec is not None:
        box, _, label = found_in(spec, o=raw)
    else:
        cut = {
            f"{name}{stride}": raw[:, begin:end, part]
            for stride, begin, end in ((8, 0, 48), (16, 48, 60), (32, 60, 64))
            for name, part in (("c", slice(3)), ("d", slice(3, None)))
        }
        names = [tuple(f"{name}{stride}" for stride in (8, 16, 32)) for name in "cd"]
        box, _, label = found_in(Nanodet(scores=names[0], distances=names[1]), **cut)
    assert box == pytest.approx([edge - 56, edge - 32, edge + 32, edge + 56])
    assert label == 1


def test_an_endless_box_is_no_error():
    raw = row_among_zeros(53, 0, 0, 1000, 0, 0.8, 0.1, 0.9, 0.2).astype(np.float32)
    (found,) = decoder_for(Yolox()).decode({"output": raw}, FLOOR)
    assert np.isinf(found.boxes).any()


def test_p6_heads_have_a_fourth_stride():
    raw = np.zeros((1, 64 + 1, 5 + CLASSES), dtype=np.float32)
    raw[0, 64] = [0.5, 0.375, 0, 0, 1, 1, 0, 0]  # the only cell of 64 pixels
    (found,) = decoder_for(Yolox(strides=(8, 16, 32, 64))).decode({"output": raw}, FLOOR)
    assert found.boxes * [WIDTH, HEIGHT, WIDTH, HEIGHT] == pytest.approx(
        np.array([[0, -8, 64, 56]])
    )


def test_yolov5_in_fractions_is_not_divided_again():
    raw = row_among_zeros(2, 0.5, 0.5, 0.25, 0.5, 0.5, 0.2, 0.3, 0.9)
    box, _, _ = found_in(YoloV5(units="fractions"), output0=raw)
    assert box == pytest.approx([0.375 * 64, 0.25 * 48, 0.625 * 64, 0.75 * 48])


def head_of_anchors(**values: float) -> np.ndarray:
    """(1, anchors, rows, columns, 8) of stride 16 on 64 x 48: in row 1, column 2, anchor 1."""
    raw = np.full((1, 3, 3, 4, 8), -20.0)
    raw[0, 1, 1, 2] = [values[key] for key in ("x", "y", "w", "h", "object", "a", "b", "c")]
    return raw


THREE = ((10.0, 13.0, 16.0, 30.0, 33.0, 23.0),)


def test_yolov5_before_its_last_layer():
    # After the sigmoid of 0, log 3 and -log 3: .5, .75, .25. Centre (2 - .5 + 2 * .75) * 16 = 48
    # across, (1 - .5 + 2 * .25) * 16 = 16 down; sides (2 * .5)^2 * 16 = 16 and (2 * .75)^2 * 30.
    three = math.log(3)
    raw = head_of_anchors(x=three, y=-three, w=0, h=three, object=three, a=0, b=three, c=-three)
    box, score, label = found_in(YoloAnchors(("p",), (16,), THREE), p=raw)
    assert box == pytest.approx([40, 16 - 33.75, 56, 16 + 33.75])
    assert (score, label) == (pytest.approx(0.75 * 0.75), 1)


def test_yolov3_has_its_centre_in_the_cell_and_sides_by_exponents():
    # Centre (2 + .75) * 16 = 44 across, (1 + .5) * 16 = 24 down; sides 16 * 2 = 32 and 30 * 1.
    three = math.log(3)
    raw = head_of_anchors(x=three, y=0, w=math.log(2), h=0, object=three, a=three, b=0, c=0)
    spec = YoloAnchors(("p",), (16,), THREE, coding="yolov3")
    box, score, label = found_in(spec, p=raw)
    assert box == pytest.approx([28, 9, 60, 39])
    assert (score, label) == (pytest.approx(0.75 * 0.75), 0)


@pytest.mark.parametrize("layout", ["values-first", "values-last"])
def test_where_the_values_of_a_head_lie_is_of_no_matter(layout: str):
    chance = np.random.default_rng(3)
    raw = chance.normal(-1, 2, (1, 3, 3, 4, 8)).astype(np.float32)
    axes = (0, 1, 4, 2, 3) if layout == "values-first" else (0, 2, 3, 1, 4)
    shape = (1, 24, 3, 4) if layout == "values-first" else (1, 3, 4, 24)
    spec = YoloAnchors(("p",), (16,), THREE)
    (expected,) = decoder_for(spec).decode({"p": raw}, FLOOR)
    moved = msgspec.structs.replace(spec, layout=layout)
    (found,) = decoder_for(moved).decode({"p": raw.transpose(axes).reshape(shape)}, FLOOR)
    assert len(expected.scores) > 3
    assert sorted(zip(found.scores, found.boxes.tolist(), strict=True)) == sorted(
        zip(expected.scores, expected.boxes.tolist(), strict=True)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"strides": (8, 16)},
        {"anchors": ((1.0, 2.0, 3.0),)},
        {"shared_classes": True},
        {"coding": "yolov3", "activated": True},
    ],
)
def test_heads_that_nobody_has_are_no_format(wrong: dict[str, Any]):
    given = {"outputs": ("p",), "strides": (16,), "anchors": THREE} | wrong
    with pytest.raises(ValueError, match=r"must|known"):
        YoloAnchors(**given)


def test_fastestdet_weighs_objectness_and_class_and_may_leave_its_cell():
    # Row 1, column 2 of the 3 x 4 cells; tanh(artanh(-.5)) = -.5, artanh(.25). Centre (2 - .5) / 4
    # across, (1 + .25) / 3 down; half as wide as the picture, a quarter as high.
    raw = np.zeros((1, 8, 3, 4))
    raw[0, :, 1, 2] = [0.9, math.atanh(-0.5), math.atanh(0.25), 0, -math.log(3), 0.1, 0.8, 0.1]
    box, score, label = found_in(FastestDet(), output=raw)
    cx, cy = 64 * 1.5 / 4, 48 * 1.25 / 3
    assert box == pytest.approx([cx - 16, cy - 6, cx + 16, cy + 6])
    assert (score, label) == (pytest.approx(0.9**0.6 * 0.8**0.4), 1)


END_TO_END = ("image", "x1", "y1", "x2", "y2", "class", "score")


@pytest.mark.parametrize("axis", [True, False])
def test_one_row_alone_is_found_whether_or_not_it_has_a_batch(axis: bool):
    raw = np.array([[0, 8, 12, 24, 36, 2, 0.9]])
    box, score, label = found_in(Rows("o", END_TO_END), o=raw[None] if axis else raw)
    assert box == pytest.approx([8, 12, 24, 36])
    assert (score, label) == (pytest.approx(0.9), 2)


def test_one_box_alone_is_found_though_its_batch_is_squeezed_away():
    spec = Finished(boxes="b", classes="c", scores="s", first_class=1)
    box, score, label = found_in(spec, b=[[8, 12, 24, 36]], c=[3], s=[0.9])
    assert box == pytest.approx([8, 12, 24, 36])
    assert (score, label) == (pytest.approx(0.9), 2)


def test_rows_of_several_pictures_in_one_list_are_refused():
    rows = np.zeros((2, 3, 7), dtype=np.float32)
    with pytest.raises(FatalError, match="has the rows of one batch only"):
        decoder_for(Rows("o", END_TO_END)).decode({"o": rows}, FLOOR)


def test_a_class_below_the_first_is_refused():
    rows = {"o": np.array([[[1, 1, 9, 9, 0.9, 0]]], dtype=np.float32)}
    columns = ("x1", "y1", "x2", "y2", "score", "class")
    with pytest.raises(FatalError, match=r"has the class 0; .* 3 labels, for the classes from 1"):
        decoder_for(Rows("o", columns, first_class=1)).decode(rows, FLOOR)
    assert len(decoder_for(YoloV10("o")).decode(rows, FLOOR)[0].scores) == 1


@pytest.mark.parametrize(
    "columns", [("x1", "y1", "x2", "y2", "score"), ("x1", "x1", "y1", "x2", "y2", "score", "class")]
)
def test_rows_must_name_a_box_a_score_and_a_class_once(columns: tuple[Any, ...]):
    with pytest.raises(ValueError, match="must have x1, y1, x2, y2, score and class, each once"):
        Rows("o", columns)


def test_a_count_for_every_picture_is_asked_for():
    head = next(head for head in HEADS if head.name == "efficient-nms")
    outputs = head.encode([[ONE], []]) | {"num_dets": np.ones((1, 1), dtype=np.float32)}
    with pytest.raises(FatalError, match="no output 'num_dets' with a number per image"):
        decoder_for(head.spec).decode(outputs, FLOOR)
