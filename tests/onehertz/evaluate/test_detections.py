"""Somebody else's detections."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onehertz.evaluate.detections import Detections
from runtime.errors import UserError
from tests.onehertz.evaluate.made_up import PERSON, a_pass

CORNERS = {"label": "person", "score": 0.9, "x1": 0.1, "y1": 0.1, "x2": 0.3, "y2": 0.6}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "boxes.jsonl"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
    return path


def test_lines_are_matched_by_frame_or_by_time_and_what_is_not_there_says_nothing(
    tmp_path: Path,
) -> None:
    path = written(
        tmp_path,
        {"source": "clip.mp4", "frame_index": 0, "boxes": [CORNERS], "note": "ignored"},
        "",
        {"source": "clip.mp4", "time_s": 2.99, "boxes": []},
        {"source": "clip.mp4", "time_s": 2.03, "boxes": [CORNERS]},  # 30 ms off: another frame
        {"source": "clip.mp4", "frame_index": 100, "boxes": None},
        {"source": "other.mp4", "frame_index": 25, "boxes": [CORNERS]},
    )
    lessons = Detections(path).lessons(a_pass([1] * 6, source="some/where/clip.mp4"))
    assert lessons == {0: (PERSON,), 3: (), 4: None}


def test_a_source_by_its_whole_path_comes_before_its_bare_name(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"source": "clip.mp4", "frame_index": 0, "boxes": []},
        {"source": "a/clip.mp4", "frame_index": 0, "boxes": [CORNERS]},
    )
    found = Detections(path)
    assert found.lessons(a_pass([1], source="a/clip.mp4")) == {0: (PERSON,)}
    assert found.lessons(a_pass([1], source="b/clip.mp4")) == {0: ()}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2"),
        ({"source": "clip.mp4", "boxes": []}, "neither frame_index nor time_s"),
        ({"source": "clip.mp4", "frame_index": 1}, "boxes"),
        ({"frame_index": 1, "boxes": []}, "source"),
        (
            {"source": "clip.mp4", "frame_index": 1, "boxes": [{**CORNERS, "x1": 0.9}]},
            "corners are swapped",
        ),
        ({"source": "clip.mp4", "frame_index": 1, "boxes": [{**CORNERS, "x2": 90}]}, "line 2"),
    ],
)
def test_a_line_that_is_wrong_is_told_with_its_number(
    tmp_path: Path, line: object, said: str
) -> None:
    path = written(tmp_path, {"source": "clip.mp4", "frame_index": 0, "boxes": []}, line)
    with pytest.raises(UserError, match=said) as caught:
        Detections(path)
    assert "line 2" in str(caught.value)


def test_a_source_without_detections_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, {"source": "clip.mp4", "frame_index": 0, "boxes": []})
    with pytest.raises(UserError, match=r"door\.mp4; its sources are: clip\.mp4"):
        Detections(path).lessons(a_pass([1], source="door.mp4"))
    with pytest.raises(UserError, match="can't be read"):
        Detections(tmp_path / "nowhere.jsonl")
