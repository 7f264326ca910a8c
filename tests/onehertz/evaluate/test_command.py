"""`onehertz evaluate gate` on real clips with the real detector."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner, Result

from onehertz.cli.main import cli
from runtime.errors import UserError
from tests.fixtures.assets import FetchedAssets
from tests.producers.clips import write_clip


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["evaluate", "gate", *words])


def rows(*words: str) -> list[dict]:
    return [json.loads(line) for line in run(*words, "--json").stdout.splitlines()]


@pytest.fixture
def people(assets: FetchedAssets) -> str:
    assets.need("ssd-mobilenetv2-oidv4")
    return str(assets.need("vtest"))


@pytest.fixture
def clip(tmp_path: Path, assets: FetchedAssets) -> str:
    assets.need("ssd-mobilenetv2-oidv4")
    return str(write_clip(tmp_path / "clip.mp4", range(12), Fraction(1, 2)))


def test_figures_and_decisions_are_of_the_same_run(people: str) -> None:
    (row,) = rows(people, "--phases", "1")
    decisions = [json.loads(one) for one in run(people, "--decisions").stdout.splitlines()]
    assert row["source"] == people
    assert row["model"] == "ssd-mobilenet-v2"
    assert row["frames"] == len(decisions) > 50
    assert row["inferences_saved"] == sum(not one["kept"] for one in decisions)
    assert 0 <= row["f1_p5"] <= row["f1"] <= row["f1_tolerant"] <= 1
    assert row["by_class"]["person"]["boxes"] > 100
    assert sum(one["onsets"] for one in row["by_class"].values()) == row["onsets"] > 10
    assert decisions[0]["because"] == "first"
    times = [one["time_s"] for one in decisions]
    assert times == sorted(set(times))
    for one in decisions:
        assert one["sameas_s"] <= one["time_s"]
        assert one["kept"] == (one["sameas_s"] == one["time_s"])
        assert one["kept"] == (one["because"] is not None)


def test_a_gate_that_keeps_all_scores_one_and_saves_nothing(clip: str) -> None:
    (row,) = rows(clip, "--phases", "2", "--set", "gate.audit_rate=1")
    assert (row["passes"], row["frames"]) == (2, 12)
    assert (row["dropped"], row["inferences_saved"], row["f1"]) == (0.0, 0, 1.0)


def test_several_sources_have_a_total(tmp_path: Path, clip: str) -> None:
    clips = [clip, str(write_clip(tmp_path / "b.mp4", range(8), Fraction(1, 2)))]
    found = rows(*clips, "--phases", "1")
    assert [row["source"] for row in found] == [*clips, "total"]
    assert found[2]["frames"] == found[0]["frames"] + found[1]["frames"]
    assert set(found[2]["everywhere"]) >= {"gate", "dHash", "pHash", "every nth", "global mean"}
    printed = run(*clips, "--phases", "1").stdout
    assert "total" in printed
    assert "onsets" in printed
    assert "with one threshold and an F1 of 0.95 on every source" in printed


def test_a_plot_and_a_sheet_are_written_beside_the_figures(tmp_path: Path, clip: str) -> None:
    plot, sheet = tmp_path / "gate.html", tmp_path / "drops.png"
    assert len(rows(clip, "--phases", "1", "--plot", str(plot), "--sheet", str(sheet))) == 1
    assert "clip.mp4" in plot.read_text(encoding="utf-8")
    assert cv2.imread(str(sheet)).shape[1] > 900


def test_both_parts_are_judged_each_after_the_other(clip: str) -> None:
    first, last = rows(clip, "--phases", "1", "--warm-up", "both")
    assert (first["warm_up"], first["frames"]) == ("first", 4)
    assert (last["warm_up"], last["frames"]) == ("last", 2)


def test_labels_judge_without_a_model(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(12), Fraction(1, 2))
    labels = tmp_path / "gt.txt"
    labels.write_text("".join(f"{n},1,{n * 10},0,40,40,1\n" for n in range(1, 13)))
    (row,) = rows(
        str(clip), "--labels", str(labels), "--labels-size", "320x192", "--phases", "1",
        "--set", "infer.model=no-such-model",
    )  # fmt: skip
    assert row["model"] == "labels"
    assert row["by_class"]["object"]["boxes"] == row["frames"] == 6
    assert row["by_class"]["object"]["objects"] == 1


def test_the_gate_learns_from_somebody_elses_detections(tmp_path: Path, people: str) -> None:
    """Of a detector that sees nobody: what sets the gate off tells it that it does not matter."""
    frames = [json.loads(line) for line in run(people, "--decisions").stdout.splitlines()]
    boxes = tmp_path / "boxes.jsonl"
    boxes.write_text(
        "".join(
            json.dumps({"source": one["source"], "frame_index": one["frame_index"], "boxes": []})
            + "\n"
            for one in frames
        )
    )
    learnt = run(people, "--decisions", "--detections", str(boxes)).stdout.splitlines()
    taught = [json.loads(line)["score"] for line in learnt]
    assert sum(taught[20:]) < 0.8 * sum(one["score"] for one in frames[20:])


def test_a_sweep_tells_accuracy_and_cost_of_each_variant(clip: str) -> None:
    found = rows(clip, "--sweep")
    assert {(row["jpeg_quality"], row["interval_s"]) for row in found} == {
        *((quality, 1.0) for quality in (95, 85, 75, 60, 40)), (85, 2.0), (85, 5.0),
    }  # fmt: skip
    assert "CPU ms" in run(clip, "--sweep").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--feedback", "ssd-mobilenet-v2"], "it judges too"),
        (["--plot", "gate.png"], "end in .html"),
        (["--labels-size", "640"], "WIDTHxHEIGHT"),
        (["--model", "no-such-model"], "no model is called"),
    ],
)
def test_what_can_not_be_done_is_told(tmp_path: Path, words: list[str], said: str) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", range(3), Fraction(1, 2)))
    result = run(clip, *words)
    assert said in (str(result.exception) + result.stderr)
    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, UserError | SystemExit)


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no video")
    assert "notes.txt" in str(run(str(tmp_path / "notes.txt")).exception)
