"""Ground truth as the judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from onehertz.evaluate.labels import Labels
from runtime.errors import UserError
from tests.onehertz.evaluate.made_up import a_pass


def mot(folder: Path, *rows: str) -> Path:
    path = folder / "gt.txt"
    path.write_text("\n".join(rows) + "\n")
    return path


def corners(box) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in (box.x1, box.y1, box.x2, box.y2))


def test_mot_frames_count_from_one_and_rows_with_flag_zero_are_ignored(tmp_path: Path) -> None:
    labels = Labels(
        mot(tmp_path, "1,7,64,48,128,240,1,-1,-1,-1", "26.0,7.0,0,0,640,480,0", "51,9,0,0,64,48,1")
    )
    seen = labels.seen(a_pass([1, 1, 1]))
    assert [[corners(box) for box in boxes] for boxes in seen.boxes] == [
        [(0.1, 0.1, 0.3, 0.6)],
        [],
        [(0, 0, 0.1, 0.1)],
    ]
    assert seen.tracks == [[7], [], [9]]
    assert seen.boxes[0][0].score == 1.0


def test_mot_labels_of_another_frame_size_are_scaled(tmp_path: Path) -> None:
    labels = Labels(mot(tmp_path, "1,7,128,96,256,480,1"), space=(1280, 960))
    ((box,),) = labels.seen(a_pass([1])).boxes
    assert corners(box) == (0.1, 0.1, 0.3, 0.6)


def test_what_lies_outside_the_frame_is_cut_off_or_left_out(tmp_path: Path) -> None:
    labels = Labels(mot(tmp_path, "1,1,-64,-48,128,96,1", "1,2,700,10,50,50,1"))
    seen = labels.seen(a_pass([1]))
    assert [corners(box) for box in seen.boxes[0]] == [(0, 0, 0.1, 0.1)]
    assert seen.tracks == [[1]]


def test_ticks_after_the_last_labelled_frame_are_unknown_not_empty(tmp_path: Path) -> None:
    labels = Labels(mot(tmp_path, "30,1,0,0,64,48,1"))
    one = labels.labelled(a_pass([1, 2, 3], {"model": [[], [], []]}))
    assert [tick.frame_index for tick in one.ticks] == [0, 25]
    assert one.seen == {"model": [[], []]}


def test_yolo_files_are_of_frames_by_number_and_name_their_classes(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("car\nperson\n")
    (tmp_path / "frame_000000.txt").write_text("1 0.2 0.35 0.2 0.5\n0 0.5 0.5 0.1 0.1 0.77\n")
    (tmp_path / "frame_000050.txt").write_text("7 0.2 0.35 0.2 0.5\n")
    seen = Labels(tmp_path).seen(a_pass([1, 1, 1]))
    assert [[box.label for box in boxes] for boxes in seen.boxes] == [
        ["person", "car"],
        [],
        ["class 7"],
    ]
    assert corners(seen.boxes[0][0]) == (0.1, 0.1, 0.3, 0.6)
    assert seen.tracks is None


def test_the_number_of_the_first_frame_can_be_told(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("0 0.2 0.35 0.2 0.5\n")
    assert [len(boxes) for boxes in Labels(tmp_path, first=1).seen(a_pass([1])).boxes] == [1]
    assert [len(boxes) for boxes in Labels(tmp_path).seen(a_pass([1])).boxes] == [0]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("gt.txt", "1,7,64,48\n", "line 1: expected frame,id"),
        ("gt.txt", "\n\n1,7,64,48,x,240,1\n", "line 3"),
        ("gt.txt", "1,7,64,48,nan,240,1\n", "line 1: expected frame,id"),
        ("gt.txt", "", "holds no labels"),
        ("labels/frame.txt", "0 0.5 0.5 0.1 0.1\n", "number of its frame"),
        ("labels/3.txt", "0 0.5 0.5\n", "line 1: expected class"),
        ("labels/classes.txt", "car\n", "holds no labels"),
    ],
)
def test_labels_that_are_wrong_are_told(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        Labels(path if name == "gt.txt" else path.parent)


def test_two_files_of_one_frame_are_told(tmp_path: Path) -> None:
    for name in ("3.txt", "a_03.txt"):
        (tmp_path / name).write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(UserError, match="both of frame 3"):
        Labels(tmp_path)
