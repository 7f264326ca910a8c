"""`onehertz models`: from an ONNX file to a model that is listed, checked and used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from onehertz.cli.detect import detect
from onehertz.cli.models import models
from runtime.errors import UserError
from tests.inference_worker.adding.graphs import LABELS, graph_of
from tests.inference_worker.test_store import add_model

Run = Callable[..., Result]


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.onnx"
    path.write_bytes(graph_of("yolov8", metadata={"names": str(list(LABELS))}).file())
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a subcommand in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        settings = ("--set", "infer.max_batch=2", "--set", "infer.threads=1")
        return CliRunner().invoke(models, [*arguments, *settings])

    return invoke


def test_a_file_becomes_a_model_that_detects(run: Run, onnx_file: Path, tmp_path: Path):
    result = run("add", str(onnx_file), "--name", "mine", "--licence", "MIT")
    assert result.exit_code == 0, result.output
    assert "seen:\n  input 'images' float32 [any, 3, 48, 64]: nchw, 64 x 48\n" in result.stdout
    assert "assumed, since no graph tells:\n  colours in the order RGB" in result.stdout
    assert "tested: openvino (cpu, float32), fit to serve, batches of 1 to 2" in result.stdout
    assert "look at it: onehertz detect PICTURE --model mine\n" in result.stdout
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), dtype=np.uint8))
    seen = CliRunner().invoke(detect, [str(tmp_path / "a.png"), "--model", "mine"])
    assert "thing 1" in seen.stdout


def test_a_dry_run_prints_the_manifest_and_writes_nothing(
    run: Run, onnx_file: Path, tmp_path: Path
):
    result = run("add", str(onnx_file), "--name", "mine", "--dry-run", "--std", "1,2,3")
    assert yaml.safe_load(result.stdout)["input"]["std"] == [1.0, 2.0, 3.0]
    assert "assumed, since no graph tells:" in result.stderr
    assert not (tmp_path / ".onehertz").exists()


def test_a_folder_can_be_named(run: Run, onnx_file: Path, tmp_path: Path):
    result = run("add", str(onnx_file), "--name", "mine", "--to", str(tmp_path / "there"))
    assert (tmp_path / "there" / "mine" / "manifest.yaml").is_file()
    assert f"--model mine --set 'infer.model_folders=[{tmp_path / 'there'}]'" in result.stdout


@pytest.mark.parametrize(
    ("flag", "value"), [("--size", "640"), ("--std", "a"), ("--mean", "1,2"), ("--format", "yolo")]
)
def test_a_flag_with_a_wrong_value_is_wrong_usage(run: Run, onnx_file: Path, flag: str, value: str):
    result = run("add", str(onnx_file), "--name", "mine", flag, value)
    assert result.exit_code == 2
    assert f"Invalid value for '{flag}'" in result.stderr


def test_the_list_has_the_users_models_and_onehertzs(run: Run, onnx_file: Path):
    run("add", str(onnx_file), "--name", "mine")
    rows = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert [(row["name"], row["format"], row["labels"], row["serves"]) for row in rows] == [
        ("mine", "yolov8", 3, False),
        ("ssd-mobilenet-v2", "ssd", 23, True),
    ]
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["mine", "yolov8", "64", "x", "48", "3", "labels", "NOASSERTION"]
    assert lines[1].strip() == str(Path(".onehertz/models/mine"))


def test_a_manifest_that_cannot_be_read_hides_no_other_model(run: Run, tmp_path: Path):
    add_model(tmp_path / ".onehertz" / "models", "broken", b"")
    (tmp_path / ".onehertz" / "models" / "broken" / "manifest.yaml").write_text("name: [")
    result = run("list")
    assert result.exit_code == 1
    assert "broken/manifest.yaml: is not YAML" in result.stderr
    assert "ssd-mobilenet-v2" in result.stdout


def test_a_good_model_passes_the_check_on_each_engine(run: Run, onnx_file: Path):
    run("add", str(onnx_file), "--name", "mine")
    result = run("check", "mine")
    assert result.exit_code == 0
    *engines, agreement = result.stdout.splitlines()
    assert [line.split(":")[0] for line in engines] == ["openvino", "onnxruntime"]
    assert re.fullmatch(r"the engines see the same [1-9]\d+ boxes", agreement)


def test_a_bad_model_fails_the_check(run: Run, tmp_path: Path):
    add_model(tmp_path / ".onehertz" / "models", "mine", b"no model")
    result = run("check", "mine")
    assert result.exit_code == 1
    assert "openvino: " in result.stdout
    assert "is not the file that mine was made for" in result.stdout


def test_a_model_that_is_not_there_is_an_error(run: Run):
    result = run("check", "zebra")
    assert isinstance(result.exception, UserError)
    assert "no model is called 'zebra'" in str(result.exception)
