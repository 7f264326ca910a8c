"""Frames of any shape on inputs of any kind: boxes come back in fractions of the frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.backends.base import EngineOptions, Outputs, Pictures, Tensor
from inference_worker.backends.choice import Place, installed_engines, open_backend
from inference_worker.detector import Detector
from inference_worker.formats import WithoutNms
from inference_worker.manifest import Input, Letterbox, Nms
from inference_worker.preprocess import Preprocessor
from runtime.errors import FatalError
from tests.inference_worker.conftest import Canned
from tests.inference_worker.onnx_models import SMALL_DETR, SMALL_SSD, small_detr
from tests.inference_worker.raw_outputs import CELLS, CLASSES, HEADS, HEIGHT, WIDTH, Head, Seen

every_head = pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)


def detector_for(head: Head, seen: Seen, letterbox: Letterbox | None) -> Detector:
    manifest = msgspec.structs.replace(
        SMALL_SSD,
        output=head.spec,
        labels=tuple(f"label {index}" for index in range(CLASSES)),
        input=Input(width=WIDTH, height=HEIGHT, layout="nchw", colour="bgr", letterbox=letterbox),
        nms=None if isinstance(head.spec, WithoutNms) else Nms(iou_threshold=0.5),
    )
    return Detector(manifest, Canned(head.encode([[seen]])))


@every_head
@pytest.mark.parametrize("anchor", ["centre", "top-left", None])
def test_a_box_on_the_input_comes_back_on_the_frame(head: Head, anchor: str | None):
    # 640 x 240 on 64 x 48: a tenth, 64 x 24; 12 rows of padding above, or 24 below, or none at all.
    # The box is 32 +- 16 across and 24 +- 8 down on the input.
    seen = Seen(place=CELLS.index((2, 1, 16)), distances=(1.5, 0.5, 0.5, 0.5), label=1, score=0.75)
    letterbox = None if anchor is None else Letterbox(anchor, 114)
    frame = np.zeros((240, 640, 3), dtype=np.uint8)
    ((box,),) = detector_for(head, seen, letterbox).detect([frame])
    assert (box.label, box.score) == ("label 1", pytest.approx(0.75, abs=1e-4))
    assert (box.x1, box.x2) == (pytest.approx(16 / 64, abs=1e-4), pytest.approx(48 / 64, abs=1e-4))
    rows = {"centre": (16 - 12, 32 - 12, 24), "top-left": (16, 24, 24), None: (16, 32, 48)}
    top, bottom, height = rows[anchor]
    assert (box.y1, box.y2) == (
        pytest.approx(top / height, abs=1e-4),
        pytest.approx(bottom / height, abs=1e-4),  # on the padding it is cut off
    )


@given(
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
    anchor=st.sampled_from(["centre", "top-left"]),
)
def test_with_any_frame_a_box_as_large_as_the_input_is_the_whole_frame(
    width: int, height: int, anchor: str
):
    head = next(head for head in HEADS if head.name == "yolox")
    seen = Seen(place=CELLS.index((1, 1, 32)), distances=(1.5, 1.5, 0.5, 0.0), label=0, score=0.9)
    detector = detector_for(head, seen, Letterbox(anchor, 114))
    ((box,),) = detector.detect([np.zeros((height, width, 3), dtype=np.uint8)])
    assert (box.x1, box.y1, box.x2, box.y2) == (0, 0, 1, 1)


def test_a_graph_that_asks_for_the_pictures_size_is_told_that_of_its_input():
    outputs = {
        "labels": np.array([[2, 0], [1, 1]], dtype=np.float32),
        "boxes": np.array([[[4, 3, 8, 12], [0] * 4]] * 2, dtype=np.float32),
        "scores": np.array([[0.9, 0.1], [0.1, 0.1]], dtype=np.float32),
    }
    backend = Canned(outputs, "orig_target_sizes", "images")  # in any order
    found = Detector(SMALL_DETR, backend).detect([np.zeros((30, 50, 3), dtype=np.uint8)] * 2)
    assert backend.inputs["orig_target_sizes"].tolist() == [[16, 12], [16, 12]]
    assert backend.inputs["orig_target_sizes"].dtype == np.int64
    assert backend.inputs["images"].shape == (2, 3, 12, 16)
    assert [len(boxes) for boxes in found] == [1, 0]
    box = found[0][0]
    assert (box.label, box.x1, box.y1, box.x2, box.y2) == ("dog", 0.25, 0.25, 0.5, 1.0)


@pytest.mark.parametrize("names", [("images",), ("images", "scale"), ("orig_target_sizes",)])
def test_inputs_that_are_not_those_of_the_manifest_are_fatal(names: tuple[str, ...]):
    with pytest.raises(FatalError, match="and 'orig_target_sizes', the model has: "):
        Detector(SMALL_DETR, Canned({}, *names))


@pytest.fixture(params=installed_engines())
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


def small_detr_on(engine: str, folder: Path, max_batch: int, **variant: object) -> Detector:
    path = folder / "small.onnx"
    path.write_bytes(small_detr(**variant))
    options = EngineOptions(threads=1, max_batch=max_batch)
    return Detector(SMALL_DETR, open_backend(Place(engine, "cpu"), path, options), 0.01)


def some_frames(count: int) -> list[np.ndarray]:
    chance = np.random.default_rng(3)
    return [chance.integers(0, 256, (24, 32, 3), dtype=np.uint8) for _ in range(count)]


def test_a_model_with_two_inputs_runs_in_batches(engine: str, tmp_path: Path):
    frames = some_frames(5)
    together = small_detr_on(engine, tmp_path, 4).detect(frames)
    alone = small_detr_on(engine, tmp_path, 1).detect(frames)
    assert together == alone
    assert [len(boxes) for boxes in together] == [5] * 5
    assert {(box.label, box.x1, box.y2) for box in together[0]} >= {
        ("person", 0, 0.2),
        ("dog", 0.4, 0.6),
    }


def test_a_squeezed_batch_axis_changes_no_box(engine: str, tmp_path: Path):
    frames = some_frames(2)
    squeezed = small_detr_on(engine, tmp_path, 4, batch=1, squeezed=True)
    assert squeezed.backend.max_batch == 1
    assert squeezed.detect(frames) == small_detr_on(engine, tmp_path, 4).detect(frames)


class FromFrames(Canned):
    """An engine that makes its input itself, in the plain way."""

    def infer_pictures(self, pictures: Pictures, told: Mapping[str, Tensor]) -> Outputs:
        assert all(image.flags.c_contiguous for image in pictures.images)
        tensor, placements = Preprocessor(SMALL_DETR.input)(pictures.images)
        assert list(pictures.placements) == placements
        return self.infer({"images": tensor, **told})


@pytest.mark.parametrize("frames", [SMALL_DETR.input, None])
def test_an_engine_that_makes_its_input_itself_is_given_frames_where_it_was_opened_so(frames):
    outputs = {
        "labels": np.array([[2]], dtype=np.float32),
        "boxes": np.array([[[4, 3, 8, 12]]], dtype=np.float32),
        "scores": np.array([[0.9]], dtype=np.float32),
    }
    parts = [some_frames(1)[0][2:22, 1:30]]  # as tiles are: not contiguous
    plain = Canned(outputs, "images", "orig_target_sizes")
    expected = Detector(SMALL_DETR, plain).detect(parts)
    engine = FromFrames(outputs, "images", "orig_target_sizes")
    options = EngineOptions(threads=1, max_batch=8, frames=frames)
    detector = Detector(SMALL_DETR, engine, options=options)
    prepared = detector.prepare(parts)
    assert (prepared.pictures is None) == (frames is None)
    assert ("images" in prepared.inputs) == (frames is None)
    assert detector.detect(parts) == expected
    for name, tensor in plain.inputs.items():
        assert np.array_equal(engine.inputs[name], tensor)
