"""One suite that every decoder must pass, and each format's own rules by values worked by hand."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.decoders import Candidates, Decoder, decoder_of
from inference_worker.formats import Nanodet, NanodetPlus, Output, WithoutNms, YoloV5, YoloV8, Yolox
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
    [head for head in HEADS if isinstance(head.spec, Yolox | Nanodet | NanodetPlus)],
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
