"""A model against labelled pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from onehertz.cli.main import cli
from onehertz.evaluate.model import Counting, Row, figures, matched_classes
from onehertz.evaluate.truth import Labelled, Truth
from runtime.errors import UserError
from schemas.messages import Box
from tests.fixtures.assets import FetchedAssets

NAMES = ("person", "car", "zebra")
SIZE = (200, 100)


def labelled(*rows: tuple[int, tuple[float, float, float, float]]) -> Labelled:
    none = np.zeros(len(rows), bool)
    boxes = np.array([box for _, box in rows], np.float64).reshape(-1, 4)
    classes = np.array([place for place, _ in rows], np.intp)
    return Labelled(Path("a.jpg"), boxes, classes, none, none, in_pixels=False)


def box(label: str, score: float, corners: tuple[float, float, float, float]) -> Box:
    x1, y1, x2, y2 = corners
    return Box(label=label, score=score, x1=x1, y1=y1, x2=x2, y2=y2)


def judged(
    pictures: Sequence[Labelled],
    boxes: Sequence[Sequence[Box]],
    labels: Sequence[str] = NAMES,
    counting: Counting = Counting(),  # noqa: B008 # never changes
    **renamed: str,
) -> Row:
    truth = Truth(NAMES, tuple(pictures), ())
    answers = [(one, SIZE, tuple(found)) for one, found in zip(pictures, boxes, strict=True)]
    classes = matched_classes(labels, truth, renamed)
    return figures("m", truth, classes, counting, answers)


LEFT, RIGHT = (0.1, 0.1, 0.3, 0.9), (0.6, 0.1, 0.8, 0.9)


def test_what_is_found_is_counted_by_class_and_by_size() -> None:
    row = judged(
        [labelled((0, LEFT), (0, RIGHT)), labelled((1, LEFT)), labelled()],
        [[box("person", 0.9, LEFT)], [box("car", 0.8, LEFT)], [box("zebra", 0.99, LEFT)]],
    )
    assert (row["images"], row["objects"], row["classes"]) == (3, 3, 2)
    # One of two persons: precision 1 up to a recall of .5, that is 51 of 101 places.
    assert row["by_class"] == {
        "person": {"objects": 2, "ap50": 0.505, "ap50_95": 0.505},
        "car": {"objects": 1, "ap50": 1.0, "ap50_95": 1.0},
    }
    assert row["ap50"] == pytest.approx((51 / 101 + 1) / 2, abs=1e-4)
    # 40 x 80 pixels: above 32², below 96².
    assert row["ap50_95_medium"] == row["ap50_95"]
    assert row["ap50_95_small"] is row["ap50_95_large"] is None


def test_classes_are_the_same_by_name_whatever_the_case_or_by_renaming() -> None:
    pictures = [labelled((0, LEFT), (1, RIGHT))]
    boxes = [[box("Person", 0.9, LEFT), box("auto", 0.9, RIGHT)]]
    row = judged(pictures, boxes, ["Person", "auto"])
    assert (row["ap50"], row["left_out"], row["objects"]) == (1.0, ["car"], 1)
    row = judged(pictures, boxes, ["Person", "auto"], auto="car")
    assert (row["ap50"], row["left_out"], row["objects"]) == (1.0, [], 2)


def test_a_model_that_knows_none_of_the_classes_is_refused() -> None:
    with pytest.raises(UserError, match=r"knows none of the classes .* it knows: hat; .*: person"):
        judged([labelled((0, LEFT))], [[]], ["hat"])


def test_only_the_best_boxes_of_a_picture_count_and_none_below_the_floor() -> None:
    pictures = [labelled((0, LEFT), (1, RIGHT))]
    boxes = [[box("person", 0.9, LEFT), box("zebra", 0.5, LEFT), box("car", 0.4, RIGHT)]]
    assert judged(pictures, boxes)["ap50"] == 1.0
    assert judged(pictures, boxes, counting=Counting(max_detections=2))["ap50"] == 0.5
    assert judged(pictures, boxes, counting=Counting(score_floor=0.45))["ap50"] == 0.5


def test_a_crowd_is_no_object_to_be_found() -> None:
    one = labelled((0, LEFT), (0, RIGHT))
    crowd = np.array([False, True])
    crowded = Labelled(one.path, one.boxes, one.classes, crowd, one.ignored, in_pixels=False)
    row = judged([crowded], [[box("person", 0.9, LEFT), box("person", 0.95, RIGHT)]])
    assert (row["objects"], row["ap50"]) == (1, 1.0)


# ---------------------------------------------------------------- the command, with a real detector


@pytest.fixture
def street(tmp_path: Path, assets: FetchedAssets) -> Path:
    """Three pictures of people, labelled by what the detector sees on them at its own threshold."""
    assets.need("ssd-mobilenetv2-oidv4")
    clip = cv2.VideoCapture(str(assets.need("vtest")))
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for number in range(3):
        assert cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), clip.read()[1])
    clip.release()
    pictures = [str(path) for path in sorted((tmp_path / "images").iterdir())]
    found = CliRunner().invoke(cli, ["detect", *pictures, "--json"], catch_exceptions=False)
    for number, line in enumerate(found.stdout.splitlines()):
        rows = [
            f"0 {(b['x1'] + b['x2']) / 2} {(b['y1'] + b['y2']) / 2}"
            f" {b['x2'] - b['x1']} {b['y2'] - b['y1']}\n"
            for b in json.loads(line)["boxes"]
            if b["label"] == "person"
        ]
        (tmp_path / "labels" / f"{number}.txt").write_text("".join(rows))
    return tmp_path


def run(folder: Path, *words: str) -> Result:
    places = ["--images", str(folder / "images"), "--labels", str(folder / "labels")]
    return CliRunner().invoke(cli, ["evaluate", "model", *words, *places])


def test_a_detector_finds_all_that_it_has_labelled_itself(street: Path) -> None:
    result = run(street, "ssd-mobilenet-v2", "--json")
    row = json.loads(result.stdout)
    assert (row["model"], row["images"], row["ap50"], row["ap50_95"]) == (
        "ssd-mobilenet-v2", 3, 1.0, 1.0,
    )  # fmt: skip
    assert row["objects"] > 5
    assert "taken for COCO's 80" in result.stderr


def test_without_json_it_is_a_table(street: Path) -> None:
    printed = run(street, "ssd-mobilenet-v2", "--by-class", "--max-detections", "3").stdout
    assert "3 pictures; boxes from 0.001 on, 3 on a picture" in printed
    assert "AP50-95" in printed
    assert "person " in printed


def test_a_broken_picture_is_named(street: Path) -> None:
    (street / "images" / "1.png").write_bytes(b"no picture")
    error = run(street, "ssd-mobilenet-v2").exception
    assert isinstance(error, UserError)
    assert "1.png: is not an image that can be read" in str(error)
