"""The form of results.json, and the table that docs/benchmarks.md gets of it."""

import json
from pathlib import Path

import msgspec
import pytest

from benchmarks.method import report, results
from benchmarks.method.pairing import Pair
from benchmarks.method.results import Run, result
from runtime.errors import UserError

RUN = Run(
    command="python -m benchmarks",
    at="2026-11-22T04:00:00+00:00",
    machine="2 cores, Python 3.11",
    load=0.4,
    quick=False,
)
RATE = result("gate.rate", [Pair(500.0, 1000.0)], "frames/s", "the bare loop", wanted=0.4)
CPU = result("gate.cpu", [Pair(2.0, 1.0), Pair(3.0, 1.0)], "CPU ms/frame", "the bare loop")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "results.json", tmp_path / "run.json"


def test_the_file_has_the_documented_form(files: tuple[Path, Path]) -> None:
    results.write([RATE, CPU], RUN, to=files[0], about=files[1])
    assert json.loads(files[0].read_text()) == [
        {
            "name": "gate.rate",
            "ours": 500.0,
            "other": 1000.0,
            "unit": "frames/s",
            "ratio": 0.5,
            "ratio_min": 0.5,
            "ratio_max": 0.5,
            "wanted": 0.4,
            "compared_with": "the bare loop",
        },
        {
            "name": "gate.cpu",
            "ours": 2.5,
            "other": 1.0,
            "unit": "CPU ms/frame",
            "ratio": 2.5,
            "ratio_min": 2.0,
            "ratio_max": 3.0,
            "wanted": None,
            "compared_with": "the bare loop",
        },
    ]


def test_what_was_written_is_read_back(files: tuple[Path, Path]) -> None:
    results.write([RATE, CPU], RUN, to=files[0], about=files[1])
    assert results.read(results=files[0], about=files[1]) == ([RATE, CPU], RUN)


def test_without_results_the_way_to_them_is_told(files: tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="run 'make bench' first"):
        results.read(results=files[0], about=files[1])


def test_a_broken_file_is_named(files: tuple[Path, Path]) -> None:
    files[0].write_text("[{]")
    files[1].write_bytes(msgspec.json.encode(RUN))
    with pytest.raises(UserError, match=r"results\.json"):
        results.read(results=files[0], about=files[1])


def test_figures_have_four_digits() -> None:
    found = result("x", [Pair(123_456.789, 3.0)], "ms", "y")
    assert (found.ours, found.ratio) == (123_500.0, 41_150.0)


@pytest.mark.parametrize(
    ("unit", "ours", "met"),
    [("frames/s", 3.0, True), ("frames/s", 1.0, False), ("ms", 1.0, True), ("ms", 3.0, False)],
)
def test_a_rate_is_wanted_high_and_a_cost_low(unit: str, ours: float, met: bool) -> None:
    assert result("x", [Pair(ours, 1.0)], unit, "y", wanted=2.0).is_met is met


def test_where_nothing_is_wanted_nothing_is_met_or_missed() -> None:
    assert CPU.is_met is None


def test_the_report_names_the_run_and_has_a_row_for_each_result() -> None:
    lines = report.markdown([RATE, CPU], RUN).splitlines()
    assert lines[0].startswith("`python -m benchmarks`, 2026-11-22T04:00:00+00:00, 2 cores")
    assert lines[-2:] == [
        "| gate.rate | 500 | 1000 | frames/s | 0.50 | 0.50 to 0.50 | ≥ 0.4, met | the bare loop |",
        "| gate.cpu | 2.5 | 1 | CPU ms/frame | 2.50 | 2.00 to 3.00 |  | the bare loop |",
    ]


def test_a_quick_run_is_not_published() -> None:
    with pytest.raises(UserError, match="quick run"):
        report.markdown([RATE], msgspec.structs.replace(RUN, quick=True))


def test_the_report_replaces_what_stands_between_the_marks_and_nothing_else() -> None:
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    once = report.put_into(text, "new")
    assert once == f"before\n{report.BEGIN}\n\nnew\n\n{report.END}\nafter\n"
    assert report.put_into(once, "new") == once


def test_a_document_without_its_marks_is_left_alone() -> None:
    with pytest.raises(UserError, match="marks"):
        report.put_into("nothing here", "new")


def test_the_document_has_a_place_for_the_results() -> None:
    text = report.DOCUMENT.read_text(encoding="utf-8")
    assert "RESULTS HERE" in report.put_into(text, "RESULTS HERE")
