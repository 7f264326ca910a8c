"""SSD heads, against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inference_worker.decoders.ssd import SsdDecoder, make_anchors
from inference_worker.formats import Ssd, SsdAnchors
from inference_worker.manifest import read_manifest
from inference_worker.store import packaged_models
from runtime.errors import FatalError

MANIFEST = read_manifest(packaged_models() / "ssd-mobilenet-v2" / "manifest.yaml")
SPEC = MANIFEST.output
ANCHORS = 1917
# The second layer begins behind 19 * 19 cells with three anchors each.
SECOND_LAYER = 1083


@pytest.fixture(scope="module")
def anchors() -> np.ndarray:
    return make_anchors(SPEC.anchors, 300, 300)


@pytest.fixture(scope="module")
def decoder() -> SsdDecoder:
    return SsdDecoder(SPEC, len(MANIFEST.labels), 300, 300)


def outputs(batch: int = 1) -> dict[str, np.ndarray]:
    """Heads that see nothing: every class at sigmoid(-10)."""
    return {
        SPEC.boxes: np.zeros((batch, ANCHORS, 4), dtype=np.float32),
        SPEC.scores: np.full((batch, ANCHORS, 24), -10, dtype=np.float32),
    }


@pytest.mark.parametrize(
    ("index", "centre_y", "centre_x", "height", "width"),
    [
        # 19 x 19 cells: a square of .1, then .2 twice as wide as high, then twice as high.
        (0, 0.5 / 19, 0.5 / 19, 0.1, 0.1),
        (1, 0.5 / 19, 0.5 / 19, 0.2 / 2**0.5, 0.2 * 2**0.5),
        (2, 0.5 / 19, 0.5 / 19, 0.2 * 2**0.5, 0.2 / 2**0.5),
        (3, 0.5 / 19, 1.5 / 19, 0.1, 0.1),
        (3 * 19, 1.5 / 19, 0.5 / 19, 0.1, 0.1),
        # 10 x 10 cells of scale .35; the next layer's is .5.
        (1083, 0.05, 0.05, 0.35, 0.35),
        (1083 + 3, 0.05, 0.05, 0.35 / 3**0.5, 0.35 * 3**0.5),
        (1083 + 5, 0.05, 0.05, 0.175**0.5, 0.175**0.5),
        (1083 + 6, 0.05, 0.15, 0.35, 0.35),
        # 1 cell of scale .95; the next would be 1.
        (1916, 0.5, 0.5, 0.95**0.5, 0.95**0.5),
    ],
)
def test_anchors_lie_where_the_layers_say(anchors, index, centre_y, centre_x, height, width):
    assert anchors.shape == (ANCHORS, 4)
    assert anchors[index] == pytest.approx([centre_y, centre_x, height, width], rel=1e-6)


def test_an_input_that_is_not_square_has_a_grid_that_is_not_square():
    spec = SsdAnchors(strides=(8, 16), min_scale=0.2, max_scale=0.8, aspect_ratios=(1.0,))
    anchors = make_anchors(spec, width=24, height=16)
    # 2 x 3 cells and 1 x 2 cells (24 / 16 rounded up), two anchors each.
    assert len(anchors) == 2 * 3 * 2 + 1 * 2 * 2
    assert anchors[0, :2] == pytest.approx([1 / 4, 1 / 6])


def test_a_box_is_decoded_against_its_anchor(decoder):
    raw = outputs()
    # Centre: .05 + .1 * .35 = .085 down, .05 - .1 * .35 = .015 across; twice as high; as wide.
    raw[SPEC.boxes][0, SECOND_LAYER] = [1.0, -1.0, 5 * math.log(2), 0.0]
    raw[SPEC.scores][0, SECOND_LAYER, 4] = math.log(9)
    (found,) = decoder.decode(raw, 0.4)
    assert found.boxes == pytest.approx(np.array([[-0.16, -0.265, 0.19, 0.435]]), abs=1e-6)
    assert found.scores == pytest.approx([0.9])
    assert [MANIFEST.labels[index] for index in found.classes] == ["person"]


def test_the_background_is_no_object(decoder):
    raw = outputs()
    raw[SPEC.scores][0, 5, 0] = 20
    assert len(decoder.decode(raw, 0.4)[0].scores) == 0


def test_a_model_without_background_has_its_first_label_at_class_0():
    spec = Ssd(boxes="b", scores="s", anchors=SPEC.anchors, background=False)
    raw = {
        "b": np.zeros((1, ANCHORS, 4), dtype=np.float32),
        "s": np.full((1, ANCHORS, 2), -9, dtype=np.float32),
    }
    raw["s"][0, 7, 0] = 3
    assert SsdDecoder(spec, 2, 300, 300).decode(raw, 0.5)[0].classes.tolist() == [0]


def test_an_anchor_counts_for_its_best_class_only(decoder):
    raw = outputs()
    raw[SPEC.scores][0, 5, [3, 9, 23]] = [1.0, 2.0, 1.5]
    (found,) = decoder.decode(raw, 0.4)
    assert found.classes.tolist() == [8]
    assert found.scores == pytest.approx([1 / (1 + math.exp(-2))])


def test_the_floor_is_a_score_and_must_be_passed(decoder):
    raw = outputs()
    raw[SPEC.scores][0, [5, 6, 7], 4] = [-0.01, 0.0, 0.01]  # a little below, at, above one half
    (found,) = decoder.decode(raw, 0.5)
    assert found.scores == pytest.approx([1 / (1 + math.exp(-0.01))])


def test_each_image_of_a_batch_gets_its_own_boxes(decoder):
    raw = outputs(4)
    raw[SPEC.scores][0, 5, 4] = 1
    raw[SPEC.scores][2, [8, 3], 9] = 2
    found = decoder.decode(raw, 0.4)
    assert [len(candidates.scores) for candidates in found] == [1, 0, 2, 0]
    assert found[2].classes.tolist() == [8, 8]


def test_an_endless_box_is_no_error(decoder):
    raw = outputs()
    raw[SPEC.boxes][0, 5] = [0, 0, 1e4, 0]
    raw[SPEC.scores][0, 5, 4] = 1
    assert np.isinf(decoder.decode(raw, 0.4)[0].boxes).any()


def test_outputs_of_another_model_are_refused(decoder):
    with pytest.raises(FatalError, match="has no output 'raw_outputs/box_encodings'"):
        decoder.decode({"boxes": np.zeros((1, 5, 4))}, 0.4)
    raw = outputs()
    raw[SPEC.scores] = raw[SPEC.scores][..., :12]
    with pytest.raises(FatalError, match=r"its manifest asks for \(batch, 1917, 24\)"):
        decoder.decode(raw, 0.4)
