"""`onehertz models build`, on the fake GPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inference_worker.backends.base import EngineOptions
from inference_worker.backends.choice import Place, open_backend
from onehertz.cli.models import models
from tests.inference_worker.backends.fake_gpu.fixture import fake_gpu
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.onnx_models import SMALL_SSD, quantised_pair, small_ssd
from tests.inference_worker.own_models import add_model

__all__ = ["fake_gpu"]
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs it in a folder of its own, with a model `mine`, where the driver sees a GPU."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONEHERTZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("inference_worker.backends.choice.cuda_problem", lambda: "")
    add_model(tmp_path / ".onehertz" / "models", "mine", small_ssd())
    return lambda *arguments: CliRunner().invoke(models, ["build", *arguments])


def test_engines_are_built_for_what_a_worker_may_choose(run: Run, fake_gpu: FakeGpu) -> None:
    result = run("mine", "--json")
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["model"], row["precision"], row["max_batch"]) for row in rows] == [
        ("mine", "float32", 8),
        ("mine", "float16", 8),
    ]
    assert rows[0]["profiles"] == ["1 to 2", "3 to 8"]
    assert rows[0]["gpu"] == "Fake GPU"
    assert Path(rows[0]["where"]).stat().st_size == pytest.approx(rows[0]["megabytes"] * 1e6, rel=1)
    assert fake_gpu.builds == 2
    assert fake_gpu.leaks() == []


def test_what_is_there_is_not_built_again(run: Run, fake_gpu: FakeGpu) -> None:
    run("mine")
    table = run("mine").stdout
    assert fake_gpu.builds == 2
    first, *rows = table.splitlines()
    assert first.split()[:3] == ["model", "precision", "batches"]
    assert "float16" in table
    assert "1 to 8" in table
    assert rows


def test_a_worker_finds_the_engine_that_was_built(
    run: Run, fake_gpu: FakeGpu, tmp_path: Path
) -> None:
    assert run("mine", "--precision", "float32", "--max-batch", "4").exit_code == 0
    weights = tmp_path / ".onehertz" / "models" / "mine" / "small.onnx"
    options = EngineOptions(1, 4, cache=tmp_path / "cache", frames=SMALL_SSD.input)
    open_backend(Place("tensorrt", "cuda"), weights, options).close()
    assert fake_gpu.builds == 1


def test_the_list_shows_what_there_is_without_a_gpu(run: Run, fake_gpu: FakeGpu) -> None:
    assert "there are no engines" in run("--list").stdout
    run("mine", "--precision", "float16")
    (row,) = [json.loads(line) for line in run("--list", "--json").stdout.splitlines()]
    assert (row["model"], row["precision"]) == ("small.onnx", "float16")


def test_one_that_cannot_be_built_is_told_of_after_the_others(
    run: Run, fake_gpu: FakeGpu, tmp_path: Path
) -> None:
    add_model(tmp_path / ".onehertz" / "models", "int8", quantised_pair())
    result = run("int8", "--json")
    full, short = [json.loads(line) for line in result.stdout.splitlines()]
    assert full["precision"] == "float32"
    assert "is INT8 already" in short["error"]
    assert result.exit_code == 1


def test_without_a_gpu_or_tensorrt_the_user_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEHERTZ_CACHE", str(tmp_path / "cache"))
    absent = "the NVIDIA driver (libcuda.so.1) is not there"
    monkeypatch.setattr("inference_worker.backends.choice.cuda_problem", lambda: absent)
    assert absent in str(CliRunner().invoke(models, ["build"]).exception)
    monkeypatch.setattr("inference_worker.backends.choice.cuda_problem", lambda: "")
    text = str(CliRunner().invoke(models, ["build"]).exception)
    assert "tensorrt can't be used: the packages tensorrt and pycuda are not installed" in text
