"""`onehertz models bench`, on a small model of the tests' own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from inference_worker.choosing.measured import Measured
from inference_worker.choosing.plans import Plan
from inference_worker.settings import InferSettings
from onehertz.cli.models import bench as bench_module
from onehertz.cli.models import models as command
from onehertz.cli.models.bench_plot import Costs, page, speed_chart
from onehertz.cli.models.bench_run import Benched, Wish
from onehertz.cli.models.chart import round_step
from onehertz.cost.arithmetic import Use
from onehertz.cost.prices import Prices
from onehertz.cost.pricing import priced
from onehertz.cost.speeds import Speed
from runtime.errors import UserError
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


PRICES = """
machines:
  here: {dollars_per_hour: 0.36, device: cpu}
  there: {dollars_per_hour: 0.72, device: cpu}
"""


@pytest.fixture
def prices(tmp_path: Path) -> str:
    (tmp_path / "prices.yaml").write_text(PRICES)
    return str(tmp_path / "prices.yaml")


def test_with_prices_every_line_says_what_a_million_frames_cost(models: Path, prices: str):
    result = bench(models, "--json", "--prices", prices, "--machine", "here", "--utilisation", "1")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    costs = [one for one in lines if "dollars_per_million" in one]
    # One for each engine, precision and batch: of threads and streams the fastest.
    ways = {(one["engine"], one["precision"], one["batch"]) for one in costs}
    assert len(ways) == len(costs) >= 4
    for one in costs:
        assert one["machine"] == "here"
        # $0.36 an hour: a dollar per million at 100 images/s.
        assert one["dollars_per_million"] == pytest.approx(100 / one["images_per_s"], rel=1e-3)
        assert one["cameras"] == int(one["images_per_s"])
        assert one["accuracy"] == "not measured"


def test_saved_results_of_several_machines_make_one_table_and_one_advice(
    models: Path, prices: str, tmp_path: Path
):
    saved = bench(models, "--json", "--machine", "here")
    (tmp_path / "a.json").write_text(saved.stdout)
    faster = [json.loads(line) for line in saved.stdout.splitlines()]
    for one in faster:
        one["machine"] = "there"
        if "images_per_s" in one:
            one["images_per_s"] *= 4
    (tmp_path / "b.json").write_text("\n".join(map(json.dumps, faster)))
    both, plot = (str(tmp_path / "a.json"), str(tmp_path / "b.json")), tmp_path / "cost.html"
    result = CliRunner().invoke(
        command, ["bench", "--merge", *both, "--prices", prices, "--plot", str(plot)]
    )
    assert result.exit_code == 0, result.output
    assert "mine on there by" in result.stdout  # four times as fast for twice the price
    assert "the smaller machine here ($0.36 an hour) costs" in result.stdout
    assert "not measured" in result.stdout
    assert plot.read_text().count("<polyline") >= 4
    assert "$ per million frames by batch size" in plot.read_text()


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--merge", "--prices", "PRICES"], "--merge takes files"),
        (["--merge", "a.json"], "--merge takes files"),
        (["--merge", "a.json", "--prices", "PRICES", "--gpu"], "measures nothing"),
        (["mine", "--prices", "PRICES"], "--machine here|there"),
        (["mine", "--prices", "PRICES", "--machine", "x"], "'x' has no price"),
        (["mine", "--prices", "absent.yaml"], "there is no such file"),
    ],
)
def test_what_cannot_be_priced_is_refused_before_anything_is_measured(
    prices: str, arguments: list[str], wrong: str
):
    words = [prices if word == "PRICES" else word for word in arguments]
    result = CliRunner().invoke(command, ["bench", *words])
    assert isinstance(result.exception, UserError)
    assert wrong in str(result.exception)


def test_without_a_gpu_none_is_measured_and_the_reason_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench_module, "cuda_problem", lambda: "the driver is not there")
    result = CliRunner().invoke(command, ["bench", "mine", "--gpu"])
    assert isinstance(result.exception, UserError)
    assert "--gpu: no CUDA device can be used: the driver" in str(result.exception)


def test_a_gpu_that_tells_no_watts_is_measured_without_them(
    models: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[Wish] = []

    def unmetered() -> None:
        raise UserError("NVML can't be used")

    def benched(_: InferSettings, wish: Wish) -> Benched:
        asked.append(wish)
        return Benched("mine", [ROW], "mine runs")

    for name, stand_in in {
        "cuda_problem": lambda: "",
        "gpu_name": lambda: "Orin",
        "Gpu": unmetered,
        "bench": benched,
    }.items():
        monkeypatch.setattr(bench_module, name, stand_in)
    result = bench(models, "--gpu")
    assert result.exit_code == 0, result.output
    assert (asked[0].on_gpu, asked[0].gpu) == (True, None)
    assert "note: without use, watts and joules: NVML can't be used" in result.stderr


def test_a_chart_is_drawn_to_scale():
    (points,) = re.findall(r'<polyline points="([^"]*)"', speed_chart([ROW]))
    (_, one), (_, eight) = (tuple(map(float, point.split(","))) for point in points.split())
    bottom = 330.0
    # 100 images/s of single images, 200 of batches of eight.
    assert (bottom - eight) / (bottom - one) == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(
    ("most", "step"), [(0.548, 0.1), (1.31, 0.2), (4.0, 1.0), (217, 50), (9.9, 2), (1, 0.2)]
)
def test_the_axis_has_round_figures(most: float, step: float):
    assert round_step(most) == pytest.approx(step)


def test_the_cheapest_way_is_ringed_and_every_way_named_beside_the_chart():
    prices = Prices.model_validate({"machines": {"m": {"dollars_per_hour": 0.36, "device": "cpu"}}})
    fast, slow = (
        msgspec.convert(
            {"machine": "m", "model": "mine", "engine": "openvino", "device": "cpu",
             "precision": precision, "threads": 2, "streams": 0, "batch": 8, "images_per_s": rate,
             "images_per_s_min": rate, "images_per_s_max": rate, "cpu_ms_per_image": 1.0},
            Speed,
        )
        for precision, rate in (("bfloat16", 200.0), ("float32", 100.0))
    )  # fmt: skip
    rows = priced([fast, slow], prices, Use(1.0), {})
    text = page([], Costs(rows, "first\nsecond", rows[0]))
    chart = text[text.index("<svg") : text.index("</svg>")]
    assert "$0.5, batches of 8" in chart
    assert "$ per million frames</text>" in chart
    assert text.index("m: mine, openvino (float32)") < text.index("<svg")
    assert "<li>second</li>" in text


def test_a_name_is_not_read_as_html():
    assert "<b>" not in page([Benched("<b>", [ROW], "<b>")])


def test_a_model_that_cannot_be_run_has_its_reason_on_the_page():
    text = page([Benched("mine", [Measured(WHOLE, {}, {}, "broken")], "mine can't be run: broken")])
    assert "mine can't be run: broken" in text.replace("&#x27;", "'")
