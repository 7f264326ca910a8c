"""`onehertz models`: from an ONNX file to a model that is listed, checked and used."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from onehertz.assets import AssetsUnavailable
from onehertz.cli.detect import detect
from onehertz.cli.models import models
from onehertz.cli.models.calibration_pictures import spread
from runtime.errors import UserError
from tests.inference_worker.adding.graphs import LABELS, graph_of
from tests.inference_worker.onnx_models import small_ssd
from tests.inference_worker.own_models import add_model

Run = Callable[..., Result]


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.onnx"
    path.write_bytes(graph_of("yolov8", metadata={"names": str(list(LABELS))}).file())
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a subcommand in a folder of its own, without a network."""
    monkeypatch.chdir(tmp_path)

    def unreachable(name: str) -> Path:
        raise AssetsUnavailable({name: f"asset {name!r} could not be fetched"}, refused=False)

    monkeypatch.setattr("onehertz.cli.models.known_frames.fetch_one", unreachable)

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


def test_the_list_has_the_users_models_and_onehertzs(
    run: Run, onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ONEHERTZ_CACHE", str(tmp_path / "cache"))  # nothing was measured yet
    run("add", str(onnx_file), "--name", "mine")
    rows = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    assert [(row["name"], row["format"], row["labels"], row["serves"]) for row in rows] == [
        ("mine", "yolov8", 3, False),
        ("ssd-mobilenet-v2", "ssd", 23, True),
    ]
    assert [(row["reference"], row["runs_on"]) for row in rows] == [
        (None, None),
        ("ssd-mobilenet-v2", None),
    ]
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["mine", "yolov8", "64", "x", "48", "3", "labels", "NOASSERTION"]
    assert lines[1].strip() == str(Path(".onehertz/models/mine"))
    assert lines[2].strip() == "no reference; not tried on this machine"


def test_the_list_says_what_a_model_is_compared_with_and_how_it_runs(run: Run, mine: str):
    one_way = ("backend=onnxruntime", "precision=float32", "streams=1")
    settings = [part for one in one_way for part in ("--set", f"infer.{one}")]
    row, _ = map(json.loads, run("list", "--json", *settings).stdout.splitlines())
    runs_on = "onnxruntime (cpu, float32), 1 thread, 1 side by side"
    assert (row["reference"], row["runs_on"]) == (mine, runs_on)
    lines = run("list", *settings).stdout.splitlines()
    assert lines[2].strip() == f"compared with mine; {runs_on}"


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
    without, *engines, agreement = result.stdout.splitlines()
    assert without == "boxes not compared with a reference: no known frames are kept with the model"
    needed = [line.split(":")[0] for line in engines if "bfloat16" not in line]
    assert needed == ["openvino float32", "onnxruntime float32"]
    assert re.fullmatch(r"the engines see the same [1-9]\d+ boxes", agreement)


def test_a_bad_model_fails_the_check(run: Run, tmp_path: Path):
    model = add_model(tmp_path / ".onehertz" / "models", "mine", b"a model")
    (model / "small.onnx").write_bytes(b"another")
    result = run("check", "mine")
    assert result.exit_code == 1
    assert "openvino float32: " in result.stdout
    assert "is not the file that mine was made for" in result.stdout


def test_a_model_that_is_not_there_is_an_error(run: Run):
    result = run("check", "zebra")
    assert isinstance(result.exception, UserError)
    assert "no model is called 'zebra'" in str(result.exception)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder of pictures."""
    folder = tmp_path / "frames"
    folder.mkdir()
    chance = np.random.default_rng(4)
    for number in range(4):
        blocks = chance.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = cv2.resize(blocks, (64, 48), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


@pytest.fixture
def mine(run: Run, onnx_file: Path, frames: Path) -> str:
    """A model that was added with frames of its own."""
    result = run("add", str(onnx_file), "--name", "mine", "--frames", str(frames))
    assert result.exit_code == 0, result.output
    assert re.search(r"(\d+) of \1 boxes matched, 0 lost, 0 extra, 0 moved", result.stdout)
    return "mine"


def test_what_was_seen_when_it_was_added_is_compared_with(run: Run, mine: str, tmp_path: Path):
    kept = tmp_path / ".onehertz" / "models" / mine
    assert len(list((kept / "reference").glob("*.png"))) == 4
    result = run("check", mine, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["reference"] == {
        "of": "mine", "made_by": "mine on onnxruntime, float32", "frames": 4, "absent": ""
    }  # fmt: skip
    needed = [one for one in answer["engines"] if one["precision"] == "float32"]
    assert [one["engine"] for one in needed] == ["openvino", "onnxruntime"]
    for one in needed:
        assert one["fit"]
        assert one["max_batch"] == 2
        assert one["images_per_s"] > 0
        assert one["parity"]["matched"] == one["parity"]["boxes"] > 0


def test_a_manifest_that_was_changed_for_the_worse_is_noticed(run: Run, mine: str, tmp_path: Path):
    manifest = tmp_path / ".onehertz" / "models" / mine / "manifest.yaml"
    swapped = "- thing 1\n- thing 0\n"
    manifest.write_text(manifest.read_text().replace("- thing 0\n- thing 1\n", swapped))
    result = run("check", mine, "--pictures", str(tmp_path / "worst"))
    assert result.exit_code == 1
    assert "on known frames" in result.stdout
    written = sorted((tmp_path / "worst").glob("*.png"))
    assert written[0].name.startswith("onnxruntime-float32-")
    picture = cv2.imread(str(written[0]))
    assert picture.shape == (48, 64 + 8 + 64, 3)  # both sides, and a gap
    renewed = run("check", mine, "--renew", "--frames", str(tmp_path / "frames"))
    assert renewed.exit_code == 0, renewed.output
    assert run("check", mine).exit_code == 0


def test_a_reference_that_cannot_be_read_is_renewed(run: Run, mine: str, tmp_path: Path):
    (tmp_path / ".onehertz" / "models" / mine / "reference.json").write_text("{")
    broken = run("check", mine)
    assert f"make it anew: onehertz models check {mine} --renew" in str(broken.exception)
    renewed = run("check", mine, "--renew", "--frames", str(tmp_path / "frames"))
    assert renewed.exit_code == 0, renewed.output


@pytest.fixture
def blind(tmp_path: Path) -> Path:
    """A graph that sees the things where `onnx_file` does, and takes each for another."""
    path = tmp_path / "blind.onnx"
    names = {"names": str([LABELS[1], LABELS[0], LABELS[2]])}
    path.write_bytes(graph_of("yolov8", metadata=names).file())
    return path


@pytest.mark.parametrize("name", ["new", "mine"])
def test_a_model_that_does_not_see_what_another_one_does_is_not_let_in(
    run: Run, mine: str, blind: Path, frames: Path, tmp_path: Path, name: str
):
    models = tmp_path / ".onehertz" / "models"
    before = {path: path.read_bytes() for path in models.rglob("*") if path.is_file()}
    add = ("add", str(blind), "--name", name, "--frames", str(frames), "--replace")
    refused = run(*add, "--against", mine)
    assert "boxes that the reference sees on known frames (made by mine on" in str(
        refused.exception
    )
    after = {path: path.read_bytes() for path in models.rglob("*") if path.is_file()}
    assert after == before
    assert run(*add).exit_code == 0  # nobody asked what it is to be like


def test_a_model_that_sees_what_another_one_does_keeps_that_as_its_reference(
    run: Run, mine: str, onnx_file: Path, frames: Path
):
    add = ("add", str(onnx_file), "--name", "same", "--frames", str(frames), "--against", mine)
    added = run(*add)
    assert added.exit_code == 0, added.output
    assert "seen by mine" in added.stdout
    assert json.loads(run("check", "same", "--json").stdout)["reference"]["of"] == mine


def test_what_a_new_model_cannot_be_compared_with_is_said(
    run: Run, mine: str, onnx_file: Path, frames: Path
):
    add = ("add", str(onnx_file), "--name", "new")
    for more, complaint in (
        (("--against", "zebra"), "no model is called 'zebra'"),
        (("--against", mine), "needs pictures to compare on: say --frames"),
        (("--against", "ssd-mobilenet-v2", "--frames", str(frames)), "has other labels than"),
    ):
        assert complaint in str(run(*add, *more).exception)


def test_a_model_is_compared_with_another_one(
    run: Run, mine: str, onnx_file: Path, frames: Path, tmp_path: Path
):
    same = run("add", str(onnx_file), "--name", "same", "--frames", str(frames))
    (tmp_path / "labels.txt").write_text("thing 1\nthing 0\nthing 2\n")
    other = run("add", str(onnx_file), "--name", "other", "--labels", "labels.txt")
    assert (same.exit_code, other.exit_code) == (0, 0)
    assert run("check", "same", "--against", mine).exit_code == 0
    result = run("check", "other", "--against", mine, "--frames", str(frames))
    assert result.exit_code == 1
    assert "made by mine on onnxruntime, float32" in result.stdout
    foreign = run("check", mine, "--against", "ssd-mobilenet-v2")
    assert "ssd-mobilenet-v2: has other labels than mine" in str(foreign.exception)
    missing = run("check", mine, "--against", "zebra")
    assert "no model is called 'zebra'" in str(missing.exception)


@pytest.fixture
def ssd(tmp_path: Path) -> str:
    add_model(tmp_path / ".onehertz" / "models", "mine", small_ssd())
    return "mine"


def smooth(folder: Path, count: int) -> Path:
    """Pictures on which the small detectors see different things."""
    folder.mkdir()
    chance = np.random.default_rng(3)
    for number in range(count):
        picture = cv2.resize(chance.integers(0, 256, (4, 4, 3), dtype=np.uint8), (64, 48))
        cv2.imwrite(str(folder / f"{number:02}.png"), picture)
    return folder


def test_a_model_is_quantised_and_the_new_one_checked_against_it(
    run: Run, ssd: str, tmp_path: Path
):
    pictures = str(smooth(tmp_path / "pictures", 24))
    result = run("quantize", ssd, "--calibrate", pictures, "--anyway")
    assert result.exit_code == 0, result.output
    assert re.search(
        r"\d+ nodes are INT8, 0 stay float; ranges by \S+ on 12 pictures", result.stdout
    )
    assert "on 12 other pictures, against the float model:\n  " in result.stdout
    assert "times as fast as the best float32 form" in result.stdout
    assert "written: .onehertz/models/mine-int8" in result.stdout
    checked = run("check", "mine-int8", "--json")
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["reference"]["of"] == "mine"
    again = run("quantize", ssd, "--calibrate", pictures)
    assert "mine-int8: is there already; say --replace" in str(again.exception)


def test_quantising_is_told_as_json(run: Run, ssd: str, tmp_path: Path):
    pictures = str(smooth(tmp_path / "pictures", 8))
    result = run(
        "quantize", ssd, "--calibrate", pictures, "--recipe", "tensorrt", "--name", "x", "--json"
    )
    answer = json.loads(result.stdout)
    assert (answer["name"], answer["calibrated_on"], answer["held_out"]) == ("x", 4, 4)
    assert (result.exit_code == 0) == (answer["written"] is not None) == (not answer["refusal"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--calibrate", "nowhere"], "nowhere: is not there"),
        (["--calibrate", "few"], "7 pictures are too few"),
        (["--calibrate", "few", "--name", "Mine!"], "--name 'Mine!': expected"),
    ],
)
def test_what_cannot_be_quantised_on_is_said(
    run: Run, ssd: str, tmp_path: Path, arguments: list[str], complaint: str
):
    smooth(tmp_path / "few", 7)
    result = run("quantize", ssd, *arguments)
    assert isinstance(result.exception, UserError)
    assert complaint in str(result.exception)


def test_calibration_pictures_of_a_long_topic_are_spread_over_it():
    assert spread(range(5), 8) == [0, 1, 2, 3, 4]
    assert spread(range(9), 8) == [0, 2, 4, 6, 8]
    for length in (100, 1000, 1023, 1024, 1025):
        held = spread(iter(range(length)), 8)
        assert 4 <= len(held) <= 8
        assert {after - before for before, after in itertools.pairwise(held)} == {held[1] - held[0]}
        assert held[0] == 0
        assert length - held[-1] <= held[1] - held[0]
