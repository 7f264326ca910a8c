"""`onehertz models bench`, on a small model of the tests' own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inference_worker.choosing.measured import Measured
from inference_worker.choosing.plans import Plan
from onehertz.cli.models import models as command
from onehertz.cli.models.bench_plot import chart, page
from tests.inference_worker.onnx_models import small_ssd
from tests.inference_worker.own_models import add_model

WHOLE = Plan("openvino", "cpu", "float32", 2, 0)
ROW = Measured(WHOLE, {1: 10.0, 8: 40.0}, {1: 20.0, 8: 80.0}, "", {1: (8.0, 12.0), 8: (40.0, 50.0)})


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONEHERTZ_CACHE", str(tmp_path / "cache"))
    add_model(tmp_path / "models", "mine", small_ssd())
    return tmp_path / "models"


def bench(models: Path, *arguments: str) -> Result:
    folders = f"infer.model_folders=[{models}]"
    settings = ("--set", folders, "--set", "infer.max_batch=2", "--set", "infer.threads=2")
    return CliRunner().invoke(command, ["bench", "mine", "--seconds", "1", *settings, *arguments])


def test_every_way_and_batch_is_a_line_of_json_and_the_choice_the_last(models: Path):
    result = bench(models, "--json")
    assert result.exit_code == 0, result.output
    *lines, last = map(json.loads, result.stdout.splitlines())
    ways = {(one["engine"], one["threads"], one["streams"], one.get("batch")) for one in lines}
    for engine in ("openvino", "onnxruntime"):
        assert {way[1:] for way in ways if way[0] == engine} >= {
            (threads, streams, batch)
            for threads in (1, 2)
            for streams in (0, threads)
            for batch in (1, 2)
        }
    measured = [one for one in lines if "batch" in one]
    assert all(
        0 < one["images_per_s_min"] <= one["images_per_s"] <= one["images_per_s_max"]
        for one in measured
    )
    assert all(one["cpu_ms_per_image"] > 0 for one in measured)
    assert last["model"] == "mine"
    assert last["choice"].startswith("mine runs on ")


def test_the_table_and_the_page_name_engines_and_the_choice(models: Path, tmp_path: Path):
    page_path = tmp_path / "speed.html"
    result = bench(models, "--plot", str(page_path))
    assert result.exit_code == 0, result.output
    assert "images/s" in result.stdout
    assert "mine runs on " in result.stdout
    assert "<svg" in page_path.read_text()
    assert "onnxruntime" in page_path.read_text()


def test_nothing_is_kept_unless_asked_for(models: Path, tmp_path: Path):
    kept = tmp_path / "cache" / "measured"
    assert bench(models).exit_code == 0
    assert not kept.exists()
    assert bench(models, "--keep").exit_code == 0
    assert len(list(kept.glob("*.json"))) == 1


def test_a_plot_that_cannot_be_written_is_refused_before_anything_is_measured(models: Path):
    result = bench(models, "--plot", "speed.png")
    assert result.exit_code != 0
    assert "images/s" not in result.stdout


def test_a_chart_is_drawn_to_scale():
    (points,) = re.findall(r'<polyline points="([^"]*)"', chart([ROW]))
    (_, one), (_, eight) = (tuple(map(float, point.split(","))) for point in points.split())
    bottom = 312.0
    # 100 images/s of single images, 200 of batches of eight.
    assert (bottom - eight) / (bottom - one) == pytest.approx(2, abs=0.01)


def test_a_name_is_not_read_as_html():
    assert "<b>" not in page([("<b>", [ROW], "<b>")])


def test_a_model_that_cannot_be_run_has_its_reason_on_the_page():
    text = page([("mine", [Measured(WHOLE, {}, {}, "broken")], "mine can't be run: broken")])
    assert "mine can't be run: broken" in text.replace("&#x27;", "'")
