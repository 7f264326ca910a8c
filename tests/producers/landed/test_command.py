"""`onehertz landed`."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from onehertz.cli.main import cli
from producers.landed.ledger import Ledger, read_ledger
from producers.landed.stores import Found

MORNING_US = 1_772_352_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ledger"
    with closing(Ledger(folder)) as ledger:
        ledger.add("door", Found("a.mp4", "1", 0), MORNING_US)
        ledger.progress("door", "a.mp4", 41, MORNING_US)
        ledger.set_aside("yard", Found("b.mp4", "1", 0), "holds no video", untidy=False)
    return folder


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["landed", *words, "--set", f"produce.ledger={folder}"])


def test_each_file_is_told_with_its_state_and_why_one_was_set_aside(folder: Path) -> None:
    lines = run(folder, "list", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "camera": "door",
            "file": "a.mp4",
            "status": "waiting",
            "begins_at": "2026-03-01T08:00:00.000000Z",
            "ticks": 42,
            "reason": None,
        },
        {
            "camera": "yard",
            "file": "b.mp4",
            "status": "aside",
            "begins_at": None,
            "ticks": 0,
            "reason": "holds no video",
        },
    ]
    assert "holds no video" in run(folder, "list").stdout


def test_files_can_be_chosen_by_camera_and_state(folder: Path) -> None:
    assert len(run(folder, "list", "--json", "--camera", "door").stdout.splitlines()) == 1
    assert run(folder, "list", "--json", "--camera", "door", "--status", "aside").stdout == ""
    assert "no landed files" in run(folder, "list", "--status", "done").stdout


def test_a_file_that_was_set_aside_can_be_tried_again(folder: Path) -> None:
    assert run(folder, "retry", "yard", "b.mp4").exit_code == 0
    assert "yard" not in read_ledger(folder)
    with closing(Ledger(folder)) as ledger:
        assert ledger.noticed("yard") == ["b.mp4"]


def test_a_file_that_is_not_set_aside_is_not_tried_again(folder: Path, tmp_path: Path) -> None:
    assert "a.mp4 is not set aside" in str(run(folder, "retry", "door", "a.mp4").exception)
    assert run(tmp_path / "nowhere", "retry", "door", "a.mp4").exit_code != 0
