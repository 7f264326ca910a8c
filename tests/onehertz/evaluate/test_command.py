"""`onehertz evaluate gate` on a real clip with the real detector."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from onehertz.cli.main import cli
from tests.fixtures.assets import FetchedAssets
from tests.producers.clips import write_clip


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["evaluate", "gate", *words])


@pytest.fixture
def people(assets: FetchedAssets) -> str:
    assets.need("ssd-mobilenetv2-oidv4")
    return str(assets.need("vtest"))


def test_figures_and_decisions_are_of_the_same_run(people: str) -> None:
    (row,) = [json.loads(one) for one in run(people, "--phases", "1", "--json").stdout.splitlines()]
    decisions = [json.loads(one) for one in run(people, "--decisions").stdout.splitlines()]
    assert row["source"] == people
    assert row["model"] == "ssd-mobilenet-v2"
    assert row["frames"] == len(decisions) > 50
    assert row["inferences_saved"] == sum(not one["kept"] for one in decisions)
    assert 0 <= row["f1_p5"] <= row["f1"] <= row["f1_tolerant"] <= 1
    assert decisions[0]["because"] == "first"
    times = [one["time_s"] for one in decisions]
    assert times == sorted(set(times))
    for one in decisions:
        assert one["sameas_s"] <= one["time_s"]
        assert one["kept"] == (one["sameas_s"] == one["time_s"])
        assert one["kept"] == (one["because"] is not None)


def test_a_gate_that_keeps_all_scores_one_and_saves_nothing(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(12), Fraction(1, 2))
    result = run(str(clip), "--phases", "2", "--json", "--set", "gate.audit_rate=1")
    (row,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert row["frames"] == 12
    assert (row["dropped"], row["inferences_saved"], row["f1"]) == (0.0, 0, 1.0)


def test_several_sources_have_a_total(tmp_path: Path) -> None:
    clips = [
        str(write_clip(tmp_path / f"{name}.mp4", range(8), Fraction(1, 2))) for name in ("a", "b")
    ]
    rows = [json.loads(one) for one in run(*clips, "--phases", "1", "--json").stdout.splitlines()]
    assert [row["source"] for row in rows] == [*clips, "total"]
    assert rows[2]["frames"] == rows[0]["frames"] + rows[1]["frames"]
    assert "total" in run(*clips, "--phases", "1").stdout


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no video")
    assert "notes.txt" in str(run(str(tmp_path / "notes.txt")).exception)
