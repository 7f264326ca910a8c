"""The tables on terminals of two widths: nothing that a reader needs is cut."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from onehertz.demo.outcome import Outcome, Saving
from onehertz.demo.report import print_outcome, print_rows
from onehertz.demo.table import latency_text, live_table, ranked_labels
from onehertz.demo.watch import View
from tests.onehertz.demo.views import BUSY

HEADINGS = ("camera", "ticks", "kept %", "unchanged", "inferred", "detections", "p50/p99")
OUTCOME = Outcome(
    {name: camera.rows for name, camera in BUSY.cameras.items()},
    BUSY,
    {"raised": 4, "cleared": 3},
    Saving(2160, 1440, 45.0, 20.0),
    12.34,
)


def shown(content: RenderableType, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(content)
    return text_of(console)


def text_of(console: Console) -> list[str]:
    file = console.file
    assert isinstance(file, io.StringIO)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 109, 110, 120, 200])
def test_the_live_table_fits_and_cuts_no_heading_camera_or_number(width: int) -> None:
    lines = shown(live_table(BUSY, 720, "playing, 12 of 45 s", width), width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert all(heading in text for heading in HEADINGS)
    assert all(word in text for word in (*BUSY.cameras, "720/720", "4259 person", "1486 car"))
    assert all(word in text for word in ("6000/11900", "cleared", "23:59:59", "last", "alert"))
    assert "lag in records: gate 1200  infer 1000  sql 100  alerts 0" in lines
    assert lines[0].strip() == "onehertz demo: playing, 12 of 45 s"


def test_a_wide_terminal_has_one_line_per_camera() -> None:
    lines = shown(live_table(BUSY, 720, "playing", 120), 120)
    (campus,) = (line for line in lines if line.startswith("campus "))
    assert "4259 person, 1486 car, 12 bicycle, 1 dog" in campus
    assert "cleared 23:59:59" in campus


def test_a_camera_without_rows_has_no_share_and_no_latency() -> None:
    (tree,) = (line for line in shown(live_table(BUSY, 720, "", 80), 80) if line.startswith("tree"))
    assert tree.split() == ["tree", "0/720", "0", "0"]


def test_lags_that_are_not_known_are_said_to_be_so() -> None:
    assert "lag in records: not known" in shown(live_table(View({}, {}), 720, "", 80), 80)


def test_labels_are_ranked_and_those_left_out_are_hinted_at() -> None:
    labels = {"car": 3, "bicycle": 3, "person": 9}
    assert ranked_labels(labels, 3) == ["9 person", "3 bicycle", "3 car"]
    assert ranked_labels(labels, 2) == ["9 person", "3 bicycle, …"]
    assert ranked_labels({}, 2) == []


def test_no_latencies_are_no_numbers() -> None:
    assert latency_text([]) == ""
    assert latency_text([1.4, 99.6]) == "1/100"


def test_the_summary_fits_80_columns_and_cuts_no_heading() -> None:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    print_outcome(console, OUTCOME)
    lines = text_of(console)
    assert max(map(len, lines)) <= 80
    (headings,) = (line for line in lines if line.startswith("camera "))
    assert headings.split() == [
        *("camera", "captured", "rows", "inferred", "unchanged", "rejected", "missing"),
        "p50/p99",
    ]
    assert "Alerts: 4 raised, 3 cleared" in lines


def test_an_answer_without_rows_says_so() -> None:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    print_rows(console, ["rule", "camera"], [])
    assert text_of(console) == ["rule camera", "(no rows)"]
