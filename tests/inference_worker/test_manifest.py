"""Manifests are read strictly; every error names the file and the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from inference_worker.manifest import Letterbox, read_manifest
from inference_worker.store import packaged_models
from runtime.errors import UserError

PACKAGED = sorted(packaged_models().glob("*/manifest.yaml"))


def written(folder: Path, **changes: Any) -> Path:
    """The default detector's manifest with some keys (`a__b` for a.b) changed or, by None, gone."""
    content = yaml.safe_load((packaged_models() / "ssd-mobilenet-v2/manifest.yaml").read_text())
    for key, value in changes.items():
        *parents, last = key.split("__")
        target = content
        for parent in parents:
            target = target[int(parent) if parent.isdigit() else parent]
        if value is None:
            del target[last]
        else:
            target[last] = value
    path = folder / "ssd-mobilenet-v2" / "manifest.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.parent.name)
def test_every_packaged_manifest_can_be_read_and_has_no_weights_beside_it(path: Path):
    manifest = read_manifest(path)
    assert manifest.licence
    assert {entry.name for entry in path.parent.iterdir()} == {"manifest.yaml", "reference.json"}


def test_the_default_detector_is_what_its_manifest_says():
    manifest = read_manifest(packaged_models() / "ssd-mobilenet-v2/manifest.yaml")
    assert len(manifest.labels) == 23
    assert manifest.labels[3] == "person"
    assert manifest.labels[22] == "car"
    assert all(label == label.lower() for label in manifest.labels)
    assert (manifest.input.width, manifest.input.height, manifest.input.colour) == (300, 300, "rgb")
    assert manifest.input.letterbox is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"input__widht": 300}, "input: Object contains unknown field `widht`"),
        ({"colour": "rgb"}, "Object contains unknown field `colour`"),
        ({"licence": None}, "Object missing required field `licence`"),
        ({"input__width": "300"}, "input.width: Expected `int`, got `str`"),
        ({"input__width": 0}, "input.width: Expected `int` >= 1"),
        ({"input__colour": "grey"}, "input.colour: Invalid enum value 'grey'"),
        ({"input__mean": [1.0, 2.0]}, "input.mean: Expected `array` of length 3"),
        ({"input__std": [1.0, 0.0, 1.0]}, "input: `std` must be above 0"),
        ({"output__format": "yolo"}, "output.format: Invalid value 'yolo'"),
        ({"output__anchors__strides": [16]}, "output.anchors.strides: Expected `array` of length"),
        ({"nms": None}, "`nms` is missing: this output format gives an object several boxes"),
        ({"max_batch": 0}, "max_batch: Expected `int` >= 1"),
        (
            {"input__color": "rgb"},
            "input: Object contains unknown field `color`; did you mean `colour`?",
        ),
        (
            {"score_treshold": 0.5},
            "Object contains unknown field `score_treshold`; did you mean `score_threshold`?",
        ),
        ({"input__dtype": "int8"}, "input.dtype: Invalid enum value 'int8'"),
        (
            {"output": {"format": "nanodet", "scores": ["a"], "distances": ["b", "c"]}},
            "output: `scores`, `distances` and `strides` must be equally many",
        ),
        ({"labels": []}, "labels: Expected `array` of length >= 1"),
        ({"score_threshold": 1.5}, "score_threshold: Expected `float` < 1.0"),
        ({"nms__iou_threshold": 60}, "nms.iou_threshold: Expected `float` <= 1.0"),
        ({"weights__0__sha256": "abc"}, "weights[0].sha256: Expected `str` matching regex"),
        (
            {"weights__0__file": "../../etc/passwd"},
            "weights[0].file: Expected `str` matching regex",
        ),
        ({"name": "other"}, "name: is 'other', must be that of its folder, 'ssd-mobilenet-v2'"),
    ],
)
def test_a_wrong_key_is_named_with_its_file(
    tmp_path: Path, changes: dict[str, Any], complaint: str
):
    path = written(tmp_path, **changes)
    with pytest.raises(UserError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path}: {complaint}")


def test_a_letterbox_can_be_asked_for(tmp_path: Path):
    path = written(tmp_path, input__letterbox={"anchor": "top-left", "value": 114})
    assert read_manifest(path).input.letterbox == Letterbox("top-left", 114)


@pytest.mark.parametrize("content", [b"name: [", b"\xff\xfe\x00", b"", b"- a\n- b\n", b"12"])
def test_a_file_that_is_no_manifest_is_an_error_that_names_it(tmp_path: Path, content: bytes):
    path = tmp_path / "manifest.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"manifest\.yaml: "):
        read_manifest(path)


def test_a_manifest_that_is_not_there_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(UserError, match=r"manifest\.yaml: can't be read: No such file"):
        read_manifest(tmp_path / "manifest.yaml")
