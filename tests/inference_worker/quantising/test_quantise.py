"""From a float model to an INT8 one, or to the reason why there is none."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from inference_worker.admission.reference import arithmetic_of, read_reference
from inference_worker.loading import load_detector
from inference_worker.quantising.quantise import quantise, split
from inference_worker.quantising.recipes import RECIPES
from inference_worker.quantising.speed import Speed, gain, measure
from inference_worker.quantising.task import Task
from inference_worker.settings import InferSettings
from inference_worker.store import Store
from runtime.errors import UserError
from tests.inference_worker.onnx_models import small_ssd
from tests.inference_worker.own_models import add_model, no_assets, noise

SETTINGS = InferSettings(model="mine", threads=1, max_batch=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add_model(tmp_path, "mine", small_ssd())
    return tmp_path


def task(root: Path, **changes: object) -> Task:
    made = Task(
        settings=SETTINGS.model_copy(update={"model_folders": (root,)}),
        asset_path=no_assets,
        recipe=RECIPES["cpu"],
        pictures=noise(24),
        name="mine-int8",
        root=root,
        anyway=True,
    )
    return dataclasses.replace(made, **changes)


def test_an_int8_model_is_written_that_serves(root: Path):
    report = quantise(task(root))
    assert report.refusal == ""
    assert report.written == root / "mine-int8"
    assert (report.calibrated_on, report.held_out) == (12, 12)
    assert report.parity is not None
    assert report.parity.matched == report.parity.expected > 0
    assert arithmetic_of(root / "mine-int8" / "mine-int8.onnx") == "int8"
    loaded = SETTINGS.model_copy(update={"model": "mine-int8", "model_folders": (root,)})
    assert load_detector(loaded, no_assets).name == "mine-int8"


def test_its_reference_is_what_the_float_model_sees(root: Path):
    quantise(task(root))
    reference = read_reference(root / "mine-int8")
    assert (reference.of, reference.arithmetic) == ("mine", "int8")
    assert reference.made_by == "mine on onnxruntime, float32"


def test_a_model_that_gains_too_little_is_not_written(root: Path, monkeypatch: pytest.MonkeyPatch):
    measured = [speed("float", "bfloat16", 10.0), speed("int8", "float32", 9.0)]
    monkeypatch.setattr("inference_worker.quantising.judge.measure", lambda *_: measured)
    report = quantise(task(root, anyway=False))
    assert report.worth.startswith("INT8 is 1.11 times as fast as the best float form here")
    assert report.written is None
    assert Store(no_assets, [root]).names() == ("mine", "ssd-mobilenet-v2")


def test_what_int8_spoils_stays_float(tmp_path: Path):
    add_model(tmp_path, "mine", small_ssd("fragile"))
    report = quantise(task(tmp_path))
    assert report.refusal == ""
    assert report.float_nodes >= 1  # at least the sum whose small part would be rounded away
    assert report.nodes >= 1


def test_without_time_to_find_it_the_model_is_refused_and_nothing_written(tmp_path: Path):
    add_model(tmp_path, "mine", small_ssd("fragile"))
    report = quantise(task(tmp_path, patience_s=-1.0))
    assert "on known frames" in report.refusal
    assert report.written is None
    assert not (tmp_path / "mine-int8").exists()


def test_the_tensorrt_recipe_is_measured_for_boxes_only(root: Path):
    report = quantise(task(root, recipe=RECIPES["tensorrt"], anyway=False))
    assert report.refusal == ""
    assert (report.speeds, report.worth) == ((), "")
    assert report.written is not None


def test_pictures_that_show_nothing_are_refused(tmp_path: Path):
    add_model(tmp_path, "mine", small_ssd("blind"))
    with pytest.raises(UserError, match="mine sees nothing on these pictures"):
        quantise(task(tmp_path))


def test_too_few_pictures_are_refused(root: Path):
    with pytest.raises(UserError, match="7 pictures are too few, 8 are needed"):
        quantise(task(root, pictures=noise(7)))


def test_what_is_held_out_was_not_calibrated_on():
    shown = noise(9)
    calibration, held_out = split(shown)
    assert [len(calibration), len(held_out)] == [5, 4]
    together = {one.tobytes() for one in (*calibration, *held_out)}
    assert together == {one.tobytes() for one in shown}
    assert len(together) == 9


def test_the_quantiser_leaves_the_path_of_imports_alone():
    assert not any("onnxruntime" in folder for folder in sys.path)


def speed(form: str, precision: str, cpu_ms: float) -> Speed:
    return Speed(form, "openvino", precision, 1, cpu_ms)


def test_a_gain_is_over_the_best_float_form():
    speeds = [
        speed("float", "float32", 20.0), speed("float", "bfloat16", 9.0),
        speed("int8", "float32", 6.0), speed("int8", "float32", 8.0),
    ]  # fmt: skip
    assert gain(speeds) == 1.5
    assert gain(speeds, "float32") == pytest.approx(20 / 6)
    assert gain(speeds[:2]) is None
    assert gain(speeds, "float16") is None


def test_each_form_has_its_turn_and_the_first_round_does_not_count(small_detector):
    # A look at the first round's beginning, then one at either end of each other.
    ticks = iter([5.0, *(0.002 * number for number in range(14))])
    (one,) = measure([("float", small_detector())], noise(2), 2, lambda: next(ticks))
    assert one == Speed("float", "onnxruntime", "float32", 2, pytest.approx(1.0))
    assert measure([("float", small_detector(max_batch=1))], noise(2), 2) == []
