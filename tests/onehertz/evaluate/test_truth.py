"""Labelled pictures, from YOLO's files and from COCO's."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from onehertz.evaluate.truth import read_truth
from runtime.errors import UserError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.png", "deep/c.jpg"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "images" / "notes.txt").write_text("no picture")
    return tmp_path / "images"


def yolo(images: Path, **files: str) -> Path:
    folder = images.parent / "labels"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def coco(folder: Path, **changes: object) -> Path:
    path = folder.parent / "instances.json"
    content = {
        "info": {"year": 2017},
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 64, "height": 48},
            {"id": 8, "file_name": "gone.jpg", "width": 64, "height": 48},
        ],
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [1, 2, 10, 20], "area": 50, "iscrowd": 0},
            {"image_id": 7, "category_id": 90, "bbox": [0, 0, 30, 30], "area": 9, "iscrowd": 1},
            {"image_id": 7, "category_id": 1, "bbox": [5, 5, 4, 4], "ignore": 1},
        ],
    }
    path.write_text(json.dumps(content | changes))
    return path


def test_yolo_rows_are_centre_and_size_an_outline_is_boxed(images: Path) -> None:
    folder = yolo(images, a="1 0.5 0.5 0.2 0.4\n", deep__c="0 0.1 0.2 0.3 0.2 0.2 0.6\n", b="\n")
    a, b, c = read_truth(images, folder, ["car", "person"]).pictures
    assert [one.path.name for one in (a, b, c)] == ["a.jpg", "b.png", "c.jpg"]
    np.testing.assert_allclose(a.boxes, [[0.4, 0.3, 0.6, 0.7]])
    np.testing.assert_allclose(c.boxes, [[0.1, 0.2, 0.3, 0.6]])
    assert (a.classes.tolist(), len(b.boxes), a.in_pixels, a.areas) == ([1], 0, False, None)


def test_what_is_taken_for_granted_or_left_out_is_said(images: Path) -> None:
    truth = read_truth(images, yolo(images, a="0 0.5 0.5 0.2 0.4", z="0 0.5 0.5 1 1"), None)
    assert truth.names[0] == "person"
    assert len(truth.pictures) == 3
    assumed, bare, lone = truth.remarks
    assert "taken for COCO's 80" in assumed
    assert bare == "2 pictures have no file of labels: nothing is on them"
    assert lone == "1 files of labels have no picture: left out"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels/classes.txt", "hat\nshoe\n"),
        ("classes.txt", "hat\nshoe\n"),
        ("data.yaml", "names: [hat, shoe]\n"),
        ("labels/dataset.yaml", "names: {0: hat, 1: shoe}\n"),
    ],
)
def test_names_lie_beside_the_labels(images: Path, name: str, text: str) -> None:
    folder = yolo(images, a="1 0.5 0.5 0.2 0.4", b="", deep__c="")
    (images.parent / name).write_text(text)
    truth = read_truth(images, folder, None)
    assert (truth.names, truth.remarks) == (("hat", "shoe"), ())


def test_coco_names_its_classes_and_tells_crowds_ignored_ones_and_areas(images: Path) -> None:
    truth = read_truth(images, coco(images), None)
    (a,) = truth.pictures
    assert truth.names == ("toothbrush", "person")
    assert a.boxes.tolist() == [[1, 2, 11, 22], [0, 0, 30, 30], [5, 5, 9, 9]]
    assert a.classes.tolist() == [1, 0, 1]
    assert a.crowd.tolist() == [False, True, False]
    assert a.ignored.tolist() == [False, False, True]
    assert a.areas is not None
    assert a.areas.tolist() == [50, 9, 16]
    assert truth.remarks == (
        "1 of the 2 labelled pictures are not in the folder",
        "2 pictures in the folder are not labelled: left out",
    )


@pytest.mark.parametrize("row", ["0 0.5 0.5 0.2", "dog 0.5 0.5 0.2 0.2", "0 0.5 nan 0.2 0.2", "0"])
def test_a_row_that_is_none_is_named(images: Path, row: str) -> None:
    with pytest.raises(UserError, match=r"a\.txt, line 2: expected class centre_x"):
        read_truth(images, yolo(images, a=f"0 0.5 0.5 0.2 0.2\n{row}\n"), None)


def test_a_class_without_a_name_is_an_error(images: Path) -> None:
    with pytest.raises(UserError, match=r"a\.txt: class 2 has no name: there are 2"):
        read_truth(images, yolo(images, a="2 0.5 0.5 0.2 0.2"), ["car", "person"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": [], "annotations": []}, "none of its pictures is in the folder"),
        ({"categories": []}, r"annotations\[0\]: the category that it names is absent"),
        ({"images": []}, r"annotations\[0\]: the image that it names is absent"),
        ({"annotations": [{"image_id": 7}]}, "is not like COCO's instances.json: .*category_id"),
        ({"annotations": None}, "is not like COCO's instances.json"),
    ],
)
def test_what_is_wrong_with_cocos_file_is_said(images: Path, changes: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_truth(images, coco(images, **changes), None)


def test_nothing_to_compare_with_is_an_error(images: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="holds no picture"):
        read_truth(empty, yolo(images, a=""), None)
    with pytest.raises(UserError, match="holds no labels"):
        read_truth(images, empty, None)
    (empty / "z.txt").write_text("0 0.5 0.5 1 1")
    with pytest.raises(UserError, match="no file there has the name of a picture"):
        read_truth(images, empty, None)
