"""The page of curves and the sheet of pictures."""

from __future__ import annotations

import re
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from onehertz.cli.options import check_plot
from onehertz.evaluate.curves import GATE, ORACLE, OWN, Tally
from onehertz.evaluate.judging import Boxes
from onehertz.evaluate.plot import chart, page, write_plot
from onehertz.evaluate.run import Result
from onehertz.evaluate.sheet import Drop, sheet, worst
from runtime.errors import UserError
from tests.onehertz.evaluate.made_up import ELSEWHERE, PERSON
from tests.producers.clips import write_clip

CURVES = {
    (GATE, 4.0): Tally(10, 2, 10.0),
    (GATE, 8.0): Tally(10, 5, 9.0),
    (OWN, 8.0): Tally(10, 5, 9.0),
    (ORACLE, 0.95): Tally(10, 8, 9.8),
    ("dHash", 3): Tally(10, 9, 2.0),  # far below the chart
}
SVG = "{http://www.w3.org/2000/svg}"


def points(svg: str) -> dict[str, list[tuple[float, float]]]:
    """Of each rule, by what its marks say when one points at them."""
    found: dict[str, list[tuple[float, float]]] = {}
    for circle in ElementTree.fromstring(svg).iter(f"{SVG}circle"):  # noqa: S314 (our own)
        hint = circle.findtext(f"{SVG}title") or ""
        place = float(circle.get("cx", "nan")), float(circle.get("cy", "nan"))
        found.setdefault(hint.split(",")[0], []).append(place)
    return found


def test_marks_lie_where_drop_and_accuracy_put_them() -> None:
    found = points(chart(CURVES))
    low, high = found["gate"]
    (oracle,) = found["oracle"]
    assert low[0] < high[0] < oracle[0]  # more is dropped
    assert low[1] < oracle[1] < high[1]  # y grows downwards: the best is uppermost
    assert found["gate as set"] == [high]
    assert "dHash" not in found


@pytest.mark.parametrize("f1_sum", [0.0, 5.0, 9.99, 10.0])
def test_any_accuracy_finds_room_on_the_chart(f1_sum: float) -> None:
    svg = chart({(GATE, 8.0): Tally(10, 5, f1_sum), (OWN, 8.0): Tally(10, 5, f1_sum)})
    (place,) = points(svg)["gate"]
    height = float(re.findall(r'height="(\d+)"', svg)[0])
    assert 0 < place[1] < height
    assert chart({})


def test_a_page_stands_alone_and_has_a_chart_for_each_source_and_one_for_all() -> None:
    results = [Result(f"{n}<b>.mp4", "judge & co", "none", curves=CURVES) for n in ("a", "b")]
    text = page(results)
    HTMLParser().feed(text)
    assert text.count("<svg") == 3
    assert "judge &amp; co" in text
    assert "<b>" not in text
    assert "dHash" in text  # below the chart, and in the table
    assert not re.search(r"<script|<link|<img|url\(|src=", text)


def test_a_plot_that_could_not_be_written_is_refused_beforehand(tmp_path: Path) -> None:
    check_plot(None)
    check_plot(tmp_path / "gate.html")
    with pytest.raises(UserError, match=r"end in \.html"):
        check_plot(tmp_path / "gate.png")
    with pytest.raises(UserError, match="no folder"):
        check_plot(tmp_path / "nowhere" / "gate.html")
    (tmp_path / "taken.html").mkdir()
    with pytest.raises(UserError, match="can't be written"):
        write_plot(tmp_path / "taken.html", [])


def drop(
    clip: Path,
    f1: float,
    frame: int,
    kept: int,
    judge: str = "judge",
    boxes: Boxes = (),
    inherited: Boxes = (),
) -> Drop:
    return Drop(clip, judge, frame / 2, frame, kept / 2, kept, 3.0, f1, boxes, inherited)


def test_the_worst_come_first_and_one_for_each_kept_frame_and_judge() -> None:
    clip, other = Path("clip.mp4"), Path("other.mp4")
    drops = [
        drop(clip, 0.5, 2, 0),
        drop(clip, 0.0, 6, 4),
        drop(clip, 0.1, 8, 5),  # kept within the same second
        drop(clip, 0.3, 6, 4, "second"),
        drop(other, 0.2, 6, 4),
    ]
    assert [one.f1 for one in worst(drops, 9)] == [0.0, 0.2, 0.3, 0.5]
    assert [one.f1 for one in worst(drops, 2)] == [0.0, 0.2]
    assert worst([*worst(drops, 3), *drops], 3) == worst(drops, 3)


def test_a_sheet_shows_kept_and_dropped_frame_side_by_side(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(8), Fraction(1, 2))
    one = sheet([drop(clip, 0.0, 7, 0)])
    two = sheet([drop(clip, 0.0, 7, 0), drop(clip, 0.1, 3, 2)])
    assert two.shape == (2 * one.shape[0], one.shape[1], 3)
    # The number in binary is in the top row of each picture, 3 times its size: bit 1 of 0 and 7.
    top = one.shape[0] - 288 + 24
    assert one[top, 72].mean() < 60
    assert one[top, 480 + 8 + 72].mean() > 200
    assert sheet([]).size


def test_a_sheet_shows_the_judges_boxes_on_each(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(8), Fraction(1, 2))
    drawn = sheet([drop(clip, 0.0, 3, 2, boxes=(PERSON,), inherited=(ELSEWHERE,))])
    bare = sheet([drop(clip, 0.0, 3, 2)])
    changed = np.abs(drawn.astype(int) - bare).sum(axis=2) > 60
    left, right = (
        np.flatnonzero(half.any(axis=0)) for half in (changed[:, :480], changed[:, 488:])
    )
    assert left.min() == pytest.approx(0.6 * 480, abs=4)  # kept: what was inherited
    assert right.min() == pytest.approx(0.1 * 480, abs=4)  # dropped: what is there
