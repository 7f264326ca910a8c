"""A model that takes another one's place, or does not."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from inference_worker.admission.trial import Previous, nothing_before
from inference_worker.backends.base import EngineBroken
from inference_worker.detector import Detector
from inference_worker.loading import load_detector, model_files
from inference_worker.loop.serving import Serving
from inference_worker.loop.swap import FileWatch, Loaded, ModelSwap
from inference_worker.settings import InferSettings
from runtime.errors import UserError
from runtime.metrics import Metrics
from tests.inference_worker.onnx_models import small_ssd
from tests.inference_worker.own_models import add_model, no_assets, put_weights
from tests.waiting import eventually


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def settings_of(folder: Path, model: str = "mine") -> InferSettings:
    return InferSettings(
        model=model, model_folders=(folder,), backend="onnxruntime", threads=1, max_batch=2
    )


class Surroundings:
    """What may ask for another model, and the swap that listens."""

    def __init__(self, settings: InferSettings) -> None:
        self.clock = Clock()
        self.hangups = 0
        self.edit: InferSettings | None = None
        self.serves_per_s: float | None = None
        self.may_load = threading.Event()
        self.may_load.set()
        self.swap = ModelSwap(
            self._load, settings, model_files, self._asked, self._edited, self.clock
        )

    def _load(self, settings: InferSettings, previous: Previous) -> Detector:
        self.may_load.wait(10.0)
        return load_detector(settings, no_assets, previous_images_per_s=previous)

    def _serves(self) -> float | None:
        return self.serves_per_s

    def _asked(self) -> bool:
        asked, self.hangups = self.hangups > 0, 0
        return asked

    def _edited(self) -> InferSettings | None:
        edit, self.edit = self.edit, None
        return edit

    def outcome(self) -> Loaded | UserError:
        found: list[Loaded | UserError] = []

        def there() -> bool:
            self.clock.now_s += 3.0
            found.extend(one for one in [self.swap.look(self._serves)] if one is not None)
            return bool(found)

        eventually(there, 20.0)
        return found[0]

    def stays(self) -> bool:
        """Whether nothing is loaded, however long one looks."""
        for _ in range(5):
            self.clock.now_s += 3.0
            if self.swap.look() is not None or "load a model" in thread_names():
                return False
        return True


def thread_names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    add_model(tmp_path, "mine", small_ssd())
    add_model(tmp_path, "other", small_ssd())
    return tmp_path


def test_as_long_as_nothing_changes_nothing_is_loaded(folder: Path):
    assert Surroundings(settings_of(folder)).stays()


def test_an_edited_setting_loads_the_other_model(folder: Path):
    around = Surroundings(settings_of(folder))
    around.edit = settings_of(folder, "other")
    loaded = around.outcome()
    assert isinstance(loaded, Loaded)
    assert loaded.detector.name == "other"
    assert loaded.settings.model == "other"
    assert around.stays()


def test_an_edit_of_other_settings_loads_nothing(folder: Path):
    around = Surroundings(settings_of(folder))
    around.edit = settings_of(folder)
    assert around.stays()


def test_sighup_loads_the_model_again(folder: Path):
    around = Surroundings(settings_of(folder))
    around.hangups = 3
    assert isinstance(around.outcome(), Loaded)
    assert around.stays()


def test_sighup_after_an_edit_of_a_file_loads_the_model_once(folder: Path):
    around = Surroundings(settings_of(folder))
    put_weights(folder / "mine", small_ssd("other-weights"))
    around.hangups = 1
    assert isinstance(around.outcome(), Loaded)
    assert around.stays()


def test_a_changed_file_loads_the_model_again_once_it_is_left_alone(folder: Path):
    around = Surroundings(settings_of(folder))
    manifest = folder / "mine" / "manifest.yaml"
    text = manifest.read_text()
    for step in range(3):  # somebody writes it bit by bit
        manifest.write_text(text + "#" * step + "\n")
        around.clock.now_s += 3.0
        assert around.swap.look() is None
        assert "load a model" not in thread_names()
    manifest.write_text(text.replace("score_threshold: 0.5", "score_threshold: 0.6"))
    loaded = around.outcome()
    assert isinstance(loaded, Loaded)
    assert loaded.detector.score_threshold == 0.6
    assert around.stays()


@pytest.mark.parametrize("wrong", ["weights", "manifest", "gone"])
def test_what_is_no_sound_model_is_refused_with_its_reason(folder: Path, wrong: str):
    around = Surroundings(settings_of(folder))
    if wrong == "weights":
        (folder / "mine" / "small.onnx").write_bytes(small_ssd("dead"))
    elif wrong == "manifest":
        (folder / "mine" / "manifest.yaml").write_text("name: [")
    else:
        (folder / "mine" / "manifest.yaml").unlink()
    outcome = around.outcome()
    assert isinstance(outcome, UserError)
    assert {"weights": "sha256", "manifest": "manifest.yaml", "gone": "mine"}[wrong] in str(outcome)


def test_a_model_that_fails_its_test_is_refused_and_tried_again_when_it_is_mended(folder: Path):
    add_model(folder, "dead", small_ssd("dead"))
    around = Surroundings(settings_of(folder))
    around.edit = settings_of(folder, "dead")
    outcome = around.outcome()
    assert isinstance(outcome, UserError)
    assert "the same answer whatever the picture" in str(outcome)
    assert around.stays()
    put_weights(folder / "dead", small_ssd())
    assert isinstance(around.outcome(), Loaded)


def test_a_failure_that_nobody_foresaw_is_a_refusal_too(
    folder: Path, caplog: pytest.LogCaptureFixture
):
    def broken(_settings: InferSettings, _previous: Previous) -> Detector:
        raise MemoryError("no room for it")

    swap = ModelSwap(broken, settings_of(folder), model_files, lambda: True, lambda: None)
    assert swap.look() is None
    outcomes: list[object] = []
    eventually(lambda: outcomes.append(swap.look()) or outcomes[-1] is not None, 10.0)
    assert "no room for it" in str(outcomes[-1])
    assert "in a way that nobody foresaw" in caplog.text


def test_a_device_that_fails_while_it_is_tried_is_a_refusal_in_one_line(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the model that serves there may be no memory for another."""

    def load_detector(*_: object, **__: object) -> Detector:
        raise EngineBroken("the GPU has no memory left for an image")

    monkeypatch.setattr(f"{__name__}.load_detector", load_detector)
    around = Surroundings(settings_of(folder))
    around.hangups = 1
    outcome = around.outcome()
    assert isinstance(outcome, UserError)
    assert str(outcome) == "mine: the GPU has no memory left for an image"
    assert [one for one in caplog.records if one.levelno > logging.INFO] == []


def test_while_one_is_loaded_the_worker_goes_on(folder: Path):
    around = Surroundings(settings_of(folder))
    around.may_load.clear()
    around.hangups = 1
    for _ in range(5):
        assert around.swap.look() is None
    around.may_load.set()
    assert isinstance(around.outcome(), Loaded)


def test_it_is_known_whether_one_is_being_loaded(folder: Path):
    around = Surroundings(settings_of(folder))
    assert not around.swap.is_loading
    around.may_load.clear()
    around.hangups = 1
    assert around.swap.look() is None
    assert around.swap.is_loading
    around.may_load.set()
    around.outcome()
    assert not around.swap.is_loading


def test_a_file_that_comes_and_goes_between_two_looks_is_no_change(tmp_path: Path):
    clock = Clock()
    watch = FileWatch(lambda: tmp_path.glob("*"), clock)
    (tmp_path / "a").write_text("1")
    (tmp_path / "a").unlink()
    clock.now_s = 3.0
    assert not watch.changed()
    clock.now_s = 6.0
    assert not watch.changed()


def test_a_file_in_place_of_one_of_the_same_size_and_time_is_a_change(tmp_path: Path):
    clock = Clock()
    model, copy = tmp_path / "model", tmp_path / "copy"
    for path, content in ((model, "one"), (copy, "two")):
        path.write_text(content)
        os.utime(path, (1, 1))
    watch = FileWatch(lambda: [model], clock)
    copy.replace(model)  # as rsync and cp --preserve do
    clock.now_s = 3.0
    assert not watch.changed()
    clock.now_s = 6.0
    assert watch.changed()


def test_who_serves_and_who_was_refused_is_told(
    small_detector: Callable[..., Detector], caplog: pytest.LogCaptureFixture, folder: Path
):
    outcomes: list[Loaded | UserError] = []

    class Given(ModelSwap):
        def __init__(self) -> None:
            """Answers with what the test has put there."""

        def look(self, _previous: Previous = nothing_before) -> Loaded | UserError | None:
            return outcomes.pop() if outcomes else None

    metrics = Metrics()
    serving = Serving(metrics, small_detector(), Given())
    labels = {"backend": "onnxruntime", "device": "cpu", "precision": "float32"}
    labels |= {"threads": "1", "streams": "0"}

    def serves(model: str) -> float | None:
        return metrics.registry.get_sample_value("onehertz_model_info", {"model": model, **labels})

    assert serving.look() is None
    outcomes.append(UserError("it sees nothing"))
    assert serving.look() is None
    assert "refused: it sees nothing; small-ssd goes on serving" in caplog.text
    assert serves("small-ssd") == 1
    settings = settings_of(folder, "other")
    outcomes.append(loaded := Loaded(load_detector(settings, no_assets), settings))
    with caplog.at_level(logging.INFO, "onehertz.infer"):
        assert serving.look() is loaded
    assert "other serves in place of small-ssd" in caplog.text
    assert (serves("small-ssd"), serves("other")) == (0, 1)
    swaps = {
        result: metrics.registry.get_sample_value("onehertz_model_swaps_total", {"result": result})
        for result in ("swapped", "refused")
    }
    assert swaps == {"swapped": 1, "refused": 1}


def test_a_model_at_less_than_half_the_speed_of_what_serves_is_refused(folder: Path):
    around = Surroundings(settings_of(folder))
    around.serves_per_s = 1e9
    around.edit = settings_of(folder, "other")
    outcome = around.outcome()
    assert isinstance(outcome, UserError)
    assert "less than half of the 1000000000.0 of what serves now" in str(outcome)
    around.serves_per_s = 0.001
    around.hangups = 1
    assert isinstance(around.outcome(), Loaded)


def test_the_speed_of_what_serves_is_that_of_its_last_batches_else_of_its_test(
    small_detector: Callable[..., Detector],
):
    clock, before, detector = Clock(), small_detector(), small_detector()
    serving = Serving(Metrics(), detector, None, clock)
    assert serving.images_per_s() is None
    detector.images_per_s = 50.0
    assert serving.images_per_s() == 50.0
    for engine_ms in (100.0, 200.0, 5_000.0):  # 40, 20, 0.8 images/s
        serving.ran(detector, 4, engine_ms)
    serving.ran(detector, 0, 1.0)  # nothing of it was a picture
    serving.ran(before, 4, 1.0)  # it does not serve any more
    assert serving.images_per_s() == 20.0
    clock.now_s = 31.0
    assert serving.images_per_s() == 50.0
