"""`onehertz detect`, with the real detector."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inference_worker.detector import Detector
from onehertz.cli.detect import detect
from runtime.errors import UserError

pytestmark = pytest.mark.usefixtures("real_weights")  # so that the asset is in the cache


@pytest.fixture
def pictures(tmp_path: Path, campus: list[np.ndarray]) -> list[Path]:
    paths = [tmp_path / "people.png", tmp_path / "nothing.jpg"]
    cv2.imwrite(str(paths[0]), campus[1])
    cv2.imwrite(str(paths[1]), np.zeros((48, 64, 3), dtype=np.uint8))
    return paths


def test_json_is_one_object_per_image_and_line(
    pictures: list[Path], campus: list[np.ndarray], real_detector: Detector
):
    result = CliRunner().invoke(detect, [*map(str, pictures), "--json"], catch_exceptions=False)
    people, nothing = map(json.loads, result.stdout.splitlines())
    assert result.exit_code == 0
    assert list(people) == ["image", "width", "height", "model", "boxes"]
    assert people["image"] == str(pictures[0])
    assert (people["width"], people["height"], people["model"]) == (768, 576, "ssd-mobilenet-v2")
    assert list(people["boxes"][0]) == ["label", "score", "x1", "y1", "x2", "y2"]
    (expected,) = real_detector.detect([campus[1]])
    assert [(b["label"], b["score"]) for b in people["boxes"]] == [
        (b.label, b.score) for b in expected
    ]
    assert nothing == {
        "image": str(pictures[1]),
        "width": 64,
        "height": 48,
        "model": "ssd-mobilenet-v2",
        "boxes": [],
    }


def test_without_json_it_is_for_people(pictures: list[Path]):
    result = CliRunner().invoke(detect, [*map(str, pictures)], catch_exceptions=False)
    assert f"{pictures[0]}  768 x 576  7 boxes\n  person " in result.stdout
    assert f"{pictures[1]}  64 x 48  no boxes\n" in result.stdout


def test_a_file_that_is_no_image_is_named_after_the_others_are_done(
    pictures: list[Path], tmp_path: Path
):
    broken, empty = tmp_path / "broken.jpg", tmp_path / "empty.jpg"
    broken.write_bytes(b"\xff\xd8 no picture")
    empty.write_bytes(b"")
    arguments = [str(broken), str(empty), str(pictures[1]), "--json"]
    result = CliRunner().invoke(detect, arguments)
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == f"not an image that can be read: {broken}, {empty}"
    assert json.loads(result.stdout)["image"] == str(pictures[1])


def test_a_model_that_is_not_there_is_an_error(pictures: list[Path]):
    result = CliRunner().invoke(detect, [str(pictures[0]), "--model", "zebra"])
    assert isinstance(result.exception, UserError)
    assert "no model is called 'zebra'" in str(result.exception)


def test_a_file_that_is_not_there_is_wrong_usage():
    assert CliRunner().invoke(detect, ["absent.jpg"]).exit_code == 2
