"""`onehertz detect`, with the real detector."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inference_worker.detector import Detector
from onehertz.cli.detect import detect
from runtime.errors import UserError
from tests.producers.clips import write_clip

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
    assert str(result.exception).splitlines() == [
        f"{broken}: is not an image that can be read",
        f"{empty}: is not an image that can be read",
    ]
    assert json.loads(result.stdout)["image"] == str(pictures[1])


def test_a_model_that_is_not_there_is_an_error(pictures: list[Path]):
    result = CliRunner().invoke(detect, [str(pictures[0]), "--model", "zebra"])
    assert isinstance(result.exception, UserError)
    assert "no model is called 'zebra'" in str(result.exception)


def test_a_file_that_is_not_there_is_wrong_usage():
    assert CliRunner().invoke(detect, ["absent.jpg"]).exit_code == 2


def test_a_folder_is_looked_through_with_all_below(pictures: list[Path], tmp_path: Path):
    (tmp_path / "deep").mkdir()
    below = pictures[1].rename(tmp_path / "deep" / "nothing.jpg")
    (tmp_path / "notes.txt").write_text("no picture")
    result = CliRunner().invoke(detect, [str(tmp_path), "--json"], catch_exceptions=False)
    told = [json.loads(line)["image"] for line in result.stdout.splitlines()]
    assert told == [str(below), str(pictures[0])]


def test_an_empty_folder_is_an_error(tmp_path: Path):
    result = CliRunner().invoke(detect, [str(tmp_path)])
    assert str(result.exception) == f"{tmp_path}: holds neither pictures nor videos"


def test_a_video_is_looked_at_every_so_many_seconds(tmp_path: Path):
    clip = write_clip(tmp_path / "clip.mp4", range(12), Fraction(1, 2))  # 6 s at 2 fps
    result = CliRunner().invoke(detect, [str(clip), "--every", "2", "--json"])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert list(rows[0]) == ["image", "at_s", "width", "height", "model", "boxes"]
    assert [row["at_s"] for row in rows] == [0.0, 2.0, 4.0]
    assert {row["image"] for row in rows} == {str(clip)}
    printed = CliRunner().invoke(detect, [str(clip), "--every", "4"]).stdout
    assert f"{clip}  4.000 s  160 x 96  no boxes" in printed


def test_what_is_no_video_is_named_after_the_others_are_done(pictures: list[Path], tmp_path: Path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    result = CliRunner().invoke(detect, [str(broken), str(pictures[1]), "--json"])
    assert isinstance(result.exception, UserError)
    assert str(broken) in str(result.exception)
    assert json.loads(result.stdout)["image"] == str(pictures[1])


def test_drawings_lie_as_the_pictures_do_and_none_overwrites_another(
    pictures: list[Path], tmp_path: Path
):
    other = tmp_path / "other" / "people.png"
    other.parent.mkdir()
    other.write_bytes(pictures[1].read_bytes())
    clip = write_clip(tmp_path / "clip.mp4", range(4), Fraction(1, 2))
    drawings = tmp_path / "drawings"
    inputs = [str(pictures[0]), str(other), str(clip)]
    result = CliRunner().invoke(detect, [*inputs, "--draw", str(drawings)], catch_exceptions=False)
    assert result.exit_code == 0
    found = sorted(path.relative_to(drawings).as_posix() for path in drawings.rglob("*.png"))
    assert found == ["clip/000000.000.png", "clip/000001.000.png", "people-2.png", "people.png"]
    drawn = cv2.imread(str(drawings / "people.png"))
    assert drawn.shape == (576, 768, 3)
    assert (drawn != cv2.imread(str(pictures[0]))).any()


def test_tiles_find_more(pictures: list[Path]):
    def people(*options: str) -> int:
        result = CliRunner().invoke(detect, [str(pictures[0]), "--json", *options])
        return len(json.loads(result.stdout)["boxes"])

    assert people("--tiles", "2x3") > people()


def test_a_grid_that_is_none_is_wrong_usage(pictures: list[Path]):
    result = CliRunner().invoke(detect, [str(pictures[0]), "--tiles", "2by3"])
    assert result.exit_code == 2
    assert "'2by3': expected ROWSxCOLUMNS" in result.output
