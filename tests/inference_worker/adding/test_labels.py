"""Labels from a file, or COCO's."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_worker.adding.labels import COCO, read_labels
from runtime.errors import UserError


def test_coco_has_eighty_in_the_order_that_everybody_trains_with():
    assert len(COCO) == len(set(COCO)) == 80
    numbers = {0: "person", 2: "car", 9: "traffic light", 39: "bottle", 62: "tv", 79: "toothbrush"}
    assert {number: COCO[number] for number in numbers} == numbers
    assert read_labels("coco") == COCO


def test_a_file_has_one_label_per_line(tmp_path: Path):
    path = tmp_path / "labels.txt"
    path.write_text("hard hat\r\n vest \nperson\n\n", encoding="utf-8")
    assert read_labels(str(path)) == ("hard hat", "vest", "person")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a\n\nb\n", "labels.txt:2: expected a label of 1 to 64 characters"),
        (b"a" * 65, "labels.txt:1: expected a label of 1 to 64 characters"),
        (b"\n\n", "labels.txt: has no labels"),
        (b"\xff\xfe", "labels.txt: can't be read"),
        (None, "labels.txt: can't be read"),
    ],
)
def test_a_file_without_labels_is_an_error_that_names_it(
    tmp_path: Path, content: bytes | None, complaint: str
):
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=complaint):
        read_labels(str(path))
