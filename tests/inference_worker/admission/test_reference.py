"""What is to be seen on known frames, kept with the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference_worker.admission import NO_REFERENCE, NotFit, admit
from inference_worker.admission.frames import numbered_frames, real_pictures, video_frames
from inference_worker.admission.reference import (
    FRAMES,
    REFERENCE,
    Known,
    Reference,
    arithmetic_of,
    make_reference,
    read_reference,
    telling,
    write_reference,
    write_reference_to_asset,
)
from inference_worker.detector import Detector
from inference_worker.store import packaged_models
from runtime.errors import UserError
from schemas.messages import Box
from tests.fixtures.assets import FetchedAssets, assets  # noqa: F401
from tests.inference_worker import onnx_models
from tests.inference_worker.own_models import noise

Small = Callable[..., Detector]
PERSON = Box(label="person", score=0.9, x1=0.1, y1=0.1, x2=0.5, y2=0.5)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Twenty frames, each of one grey that is ten times its number."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(20):
        writer.write(np.full((48, 64, 3), 10 * number, dtype=np.uint8))
    writer.release()
    return path


def greys(pictures: list[np.ndarray]) -> list[int]:
    return [round(float(picture.mean()) / 10) for picture in pictures]


def test_what_is_kept_is_what_is_read(tmp_path: Path):
    pictures = noise(2)
    written = Reference(
        (Known(pictures[0], (PERSON,)), Known(pictures[1], ())), "x", "x on y", "int8"
    )
    write_reference(tmp_path, written)
    read = read_reference(tmp_path)
    assert (read.of, read.made_by, read.arithmetic, read.absent) == ("x", "x on y", "int8", "")
    assert [one.boxes for one in read.pictures] == [(PERSON,), ()]
    assert all(
        np.array_equal(one.picture, at) for one, at in zip(read.pictures, pictures, strict=True)
    )


def test_a_model_without_a_reference_says_so(tmp_path: Path):
    assert read_reference(tmp_path) is NO_REFERENCE
    assert "no known frames" in NO_REFERENCE.absent


def test_a_picture_that_was_changed_is_refused(tmp_path: Path):
    write_reference(tmp_path, Reference((Known(noise(1)[0], ()),), "x", "x on y"))
    (tmp_path / "reference" / "00.png").write_bytes(b"other")
    with pytest.raises(UserError, match=r"00\.png: is not the picture .*--renew"):
        read_reference(tmp_path)


@pytest.mark.parametrize("content", [b"{", b'{"of": 1}', b'{"pictures": []}'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / REFERENCE).write_bytes(content)
    with pytest.raises(UserError, match=r"reference\.json: .*--renew"):
        read_reference(tmp_path)


def test_frames_of_an_asset_are_named_not_copied(tmp_path: Path, film: Path):
    frames = numbered_frames(film, (3, 11))
    reference = Reference(tuple(Known(one, (PERSON,)) for one in frames), "x", "x on y")
    write_reference_to_asset(tmp_path, reference, "film", (3, 11))
    assert not (tmp_path / "reference").exists()
    assert greys([one.picture for one in read_reference(tmp_path, lambda _: film).pictures]) == [
        3,
        11,
    ]


def test_an_asset_that_is_not_here_is_no_reference_and_says_why(tmp_path: Path, film: Path):
    write_reference_to_asset(tmp_path, Reference((), "x", "x on y"), "film", ())
    known = Reference((Known(noise(1)[0], ()),), "x", "x on y")
    write_reference_to_asset(tmp_path, known, "film", (3,))

    def absent(_: str) -> Path:
        raise UserError("run `onehertz assets fetch film`")

    reference = read_reference(tmp_path, absent)
    assert reference.pictures == ()
    assert "onehertz assets fetch film" in reference.absent
    broken = tmp_path / "film.avi"
    broken.write_bytes(b"no film")
    assert "film.avi: has no frame 3" in read_reference(tmp_path, lambda _: broken).absent


def test_frames_are_spread_over_a_video_or_a_folder(tmp_path: Path, film: Path):
    assert greys(real_pictures(film, 4)) == [2, 7, 12, 17]
    assert [number for number, _ in video_frames(film, 4)] == [2, 7, 12, 17]
    assert len(real_pictures(film, 100)) == 20
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(10):
        picture = np.full((48, 64, 3), 10 * number, dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    assert greys(real_pictures(folder, 2)) == [2, 7]


def test_sources_without_pictures_are_refused(tmp_path: Path):
    (tmp_path / "a.mp4").write_bytes(b"no film")
    (tmp_path / "b").mkdir()
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    for name, complaint in (("a.mp4", "decoded"), ("b", "has no pictures"), ("c.jpg", "can't be")):
        with pytest.raises(UserError, match=complaint):
            real_pictures(tmp_path / name, 3)


def test_a_large_picture_is_kept_smaller(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "large.png"), np.zeros((1080, 1920, 3), dtype=np.uint8))
    (picture,) = real_pictures(tmp_path / "large.png", 1)
    assert picture.shape == (540, 960, 3)


def test_those_frames_are_kept_on_which_most_is_sure():
    sure, doubtful = PERSON, Box(label="person", score=0.55, x1=0, y1=0, x2=1, y2=1)
    found = [(doubtful,) * 5] * 20 + [(sure,)] * FRAMES + [()] * 20
    assert telling(found, 0.5) == list(range(20, 20 + FRAMES))


def test_the_arithmetic_of_a_graph_is_told_by_its_nodes(tmp_path: Path):
    weights = tmp_path / "a.onnx"
    weights.write_bytes(onnx_models.small_ssd())
    assert arithmetic_of(weights) == "float32"
    weights.write_bytes(onnx_models.quantised_pair())
    assert arithmetic_of(weights) == "int8"
    weights.write_bytes(b"...ConvInteger...")  # without Q/DQ, as quantising by the way makes it
    assert arithmetic_of(weights) == "int8"


def test_an_engine_that_sees_what_the_reference_sees_is_admitted(small_detector: Small):
    reference = make_reference(small_detector(), noise(4), "float32")
    verdict = admit(small_detector(engine="openvino"), reference)
    assert verdict.parity is not None
    assert verdict.parity.expected > 0
    assert verdict.parity.frames == 4
    assert verdict.without_reference == ""


def test_an_engine_that_sees_nothing_is_refused(small_detector: Small):
    reference = make_reference(small_detector(), noise(4), "int8")
    with pytest.raises(NotFit, match="sees nothing on known frames") as caught:
        admit(small_detector("blind"), reference)
    assert caught.value.parity is not None
    assert caught.value.parity.matched == 0


def test_an_engine_that_sees_something_else_is_refused(small_detector: Small):
    reference = make_reference(small_detector("other-weights"), noise(4), "float32")
    with pytest.raises(NotFit, match=r"on known frames .*made by small-ssd on onnxruntime"):
        admit(small_detector(), reference)


def test_without_known_frames_the_verdict_does_not_pretend(small_detector: Small):
    verdict = admit(small_detector())
    assert verdict.parity is None
    assert verdict.without_reference


def test_boxes_outside_the_picture_are_refused(small_detector: Small):
    with pytest.raises(NotFit, match="boxes lie outside the picture"):
        admit(small_detector("outside"))


class Watch:
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


def test_an_engine_is_as_fast_as_its_best_batch(small_detector: Small):
    assert admit(small_detector(max_batch=4), now=Watch()).images_per_s == 4.0


def test_an_engine_at_less_than_half_the_previous_speed_is_refused(small_detector: Small):
    detector = small_detector(max_batch=4)
    assert admit(detector, previous_images_per_s=lambda: 8.0, now=Watch()).images_per_s == 4.0
    with pytest.raises(NotFit, match=r"4\.0 images/s, less than half of the 8\.1"):
        admit(detector, previous_images_per_s=lambda: 8.1, now=Watch())


def test_the_packaged_reference_is_what_the_default_detector_sees(
    real_detector: Detector,
    assets: FetchedAssets,  # noqa: F811
):
    folder = packaged_models() / real_detector.name
    reference = read_reference(folder, assets.need)
    assert not reference.absent
    parity = admit(real_detector, reference).parity
    assert parity is not None
    assert parity.expected >= 10
    assert (parity.matched, parity.extra, parity.moved) == (parity.expected, 0, 0)
    assert parity.worst_iou > 0.99
