"""From settings to a detector that serves."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from inference_worker import loading
from inference_worker.admission import NotFit, Reference, Verdict, admit, synthetic_pictures
from inference_worker.admission.reference import Known, make_reference
from inference_worker.backends.base import EngineOptions
from inference_worker.backends.choice import Place, open_backend
from inference_worker.backends.compiled import compiled_folder, prune
from inference_worker.detector import Detector
from inference_worker.loading import Opener, load_detector
from inference_worker.settings import InferSettings
from runtime.errors import UserError
from schemas.messages import Box
from tests.fixtures.assets import FetchedAssets, assets  # noqa: F401
from tests.inference_worker.onnx_models import small_ssd
from tests.inference_worker.own_models import add_model, no_assets


def test_the_default_settings_load_the_default_detector(
    real_weights: Path, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO, "inference_worker.loading"):
        detector = load_detector(InferSettings(threads=1, max_batch=2), lambda _: real_weights)
    assert detector.name == "ssd-mobilenet-v2"
    assert detector.backend.max_batch == 2
    assert caplog.messages == [
        "ssd-mobilenet-v2 serves on openvino (cpu, float32), 1 thread, batches as one, in batches"
        " of up to 2: not measured here; boxes not compared with a reference: the known frames of"
        " asset bikes are not here: assets are not looked for here"
    ]


def test_a_worker_compares_with_the_packaged_reference_where_its_frames_are_here(
    real_weights: Path,
    assets: FetchedAssets,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
):
    settings = InferSettings(threads=1, max_batch=1)
    with caplog.at_level(logging.INFO, "inference_worker.loading"):
        load_detector(settings, lambda _: real_weights, assets.need)
    assert caplog.messages == [
        "ssd-mobilenet-v2 serves on openvino (cpu, float32), 1 thread, batches as one, in batches"
        " of up to 1: not measured here"
    ]


def test_the_users_own_model_and_threshold_are_loaded(tmp_path: Path):
    add_model(tmp_path, "mine", small_ssd())
    settings = InferSettings(
        model="mine",
        model_folders=(tmp_path,),
        backend="onnxruntime",
        threads=1,
        max_batch=3,
        score_threshold=0.7,
    )
    detector = load_detector(settings, no_assets)
    assert (detector.name, detector.backend.name) == ("mine", "onnxruntime")
    assert detector.score_threshold == 0.7


def test_a_model_that_is_not_fit_is_not_loaded(tmp_path: Path):
    add_model(tmp_path, "mine", small_ssd())
    manifest = tmp_path / "mine" / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("boxes: boxes", "boxes: absent"))
    with pytest.raises(UserError, match=r"mine is not fit to serve .* has no output 'absent'"):
        load_detector(InferSettings(model="mine", model_folders=(tmp_path,), threads=1), no_assets)


def test_a_model_is_asked_for_no_larger_batches_than_its_manifest_allows(tmp_path: Path):
    add_model(tmp_path, "mine", small_ssd("liar"), max_batch=1)
    settings = InferSettings(model="mine", model_folders=(tmp_path,), threads=1)
    assert load_detector(settings, no_assets).backend.max_batch == 1


def test_bfloat16_is_asked_for_and_what_it_became_is_said(real_weights: Path):
    options = EngineOptions(threads=1, max_batch=1, precision="bfloat16")
    assert open_backend(Place("openvino", "cpu"), real_weights, options).precision in (
        "bfloat16",
        "float32",
    )


def test_0_threads_means_those_that_the_process_may_use():
    assert InferSettings().engine_threads >= 1
    assert InferSettings(threads=3).engine_threads == 3


@pytest.mark.parametrize(
    "wrong", [{"max_batch": 0}, {"max_wait_ms": -1}, {"backend": "cuda"}, {"modle": "x"}]
)
def test_wrong_settings_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        InferSettings.model_validate(wrong)


def test_a_batch_must_have_room_in_what_is_held():
    with pytest.raises(ValidationError, match=r"max_in_flight \(4\) must not be below max_batch"):
        InferSettings(max_batch=5, max_in_flight=4)
    assert InferSettings(max_batch=5, max_in_flight=5).max_batch == 5


def test_every_setting_says_what_it_is_for():
    assert all(field.description for field in InferSettings.model_fields.values())


def own_model(folder: Path, **chosen: object) -> InferSettings:
    add_model(folder, "mine", small_ssd())
    return InferSettings(model="mine", model_folders=(folder,), threads=1, max_batch=2, **chosen)


def test_the_way_measured_to_be_best_serves_and_is_told_once_with_its_reasons(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    settings = own_model(tmp_path / "models")
    with caplog.at_level(logging.INFO, "inference_worker.loading"):
        detector = load_detector(settings, no_assets, cache=tmp_path / "cache")
    (chosen,) = [line for line in caplog.messages if " serves on " in line]
    assert chosen.startswith(f"mine serves on {detector.backend.name} (cpu, float32), 1 thread, ")
    assert "in batches of up to 2: " in chosen
    assert "ms an image" in chosen
    assert "times as long" in chosen
    assert detector.batch_ms is not None
    assert set(detector.batch_ms) >= {1, 2}


def test_a_second_start_takes_what_the_first_one_measured(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    settings = own_model(tmp_path / "models")
    first = load_detector(settings, no_assets, cache=tmp_path / "cache")
    with caplog.at_level(logging.INFO, "inference_worker.loading"):
        second = load_detector(settings, no_assets, cache=tmp_path / "cache")
    assert not [line for line in caplog.messages if line.startswith("trying")]
    assert second.batch_ms == first.batch_ms
    assert second.backend.name == first.backend.name


def test_what_would_serve_is_known_without_opening_it_once_it_was_measured(tmp_path: Path):
    settings, cache = own_model(tmp_path / "models"), tmp_path / "cache"
    assert Opener(settings, no_assets, cache=cache).remembered() is None
    opener = Opener(settings, no_assets, cache=cache)
    opener.choose()
    again = Opener(settings, no_assets, cache=cache)
    assert again.remembered() == opener.opened
    assert again.opened is None


def test_settings_that_leave_no_choice_are_taken_unmeasured(tmp_path: Path):
    settings = own_model(tmp_path / "models", backend="onnxruntime", precision="float32", streams=1)
    detector = load_detector(settings, no_assets, cache=tmp_path / "cache")
    assert (detector.backend.name, detector.batch_ms) == ("onnxruntime", None)
    assert not (tmp_path / "cache" / "measured").exists()


def test_settings_win_over_what_was_measured(tmp_path: Path):
    settings = own_model(tmp_path / "models")
    load_detector(settings, no_assets, cache=tmp_path / "cache")
    for engine in ("openvino", "onnxruntime"):
        chosen = settings.model_copy(update={"backend": engine})
        assert load_detector(chosen, no_assets, cache=tmp_path / "cache").backend.name == engine


def test_without_a_folder_to_keep_it_in_nothing_is_measured(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    settings = own_model(tmp_path / "models")
    cache = tmp_path / "cache"
    cache.write_text("a file, no folder")
    detector = load_detector(settings, no_assets, cache=cache)
    assert (detector.backend.name, detector.batch_ms) == ("openvino", None)
    assert f"{cache} can't be written" in caplog.text


def test_a_compiled_model_that_is_broken_in_the_cache_is_compiled_again(tmp_path: Path):
    settings = own_model(tmp_path / "models", backend="openvino")
    load_detector(settings, no_assets, cache=tmp_path / "cache")
    blobs = list((tmp_path / "cache").rglob("*.blob"))
    assert blobs
    for blob in blobs:
        blob.write_bytes(blob.read_bytes()[: blob.stat().st_size // 2])
    assert load_detector(settings, no_assets, cache=tmp_path / "cache").backend.name == "openvino"


def test_a_graph_that_lies_about_its_batch_is_inferred_image_by_image(tmp_path: Path):
    add_model(tmp_path, "mine", small_ssd("liar"), max_batch=1)
    settings = InferSettings(
        model="mine", model_folders=(tmp_path,), threads=2, max_batch=4, streams=2
    )
    assert load_detector(settings, no_assets).backend.max_batch == 4


def refuse_engine(monkeypatch: pytest.MonkeyPatch, refused: set[str]) -> list[str]:
    """The test refuses these engines; whom it was asked about."""
    asked: list[str] = []

    def judged(detector: Detector, *rest: object, **named: object) -> Verdict:
        asked.append(detector.backend.name)
        if detector.backend.name in refused:
            raise NotFit(detector, "it sees ghosts")
        return admit(detector)

    monkeypatch.setattr(loading, "admit_once", judged)
    return asked


def test_where_the_best_way_fails_its_test_the_next_one_serves_then_and_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    settings, cache = own_model(tmp_path / "models"), tmp_path / "cache"
    best = load_detector(settings, no_assets, cache=cache).backend.name
    [other] = {"openvino", "onnxruntime"} - {best}
    asked = refuse_engine(monkeypatch, {best})
    assert load_detector(settings, no_assets, cache=cache).backend.name == other
    assert (asked[0], asked[-1]) == (best, other)
    [told, *_] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "it sees ghosts" in told.message
    assert told.message.endswith("the next best way to run it is tried")
    asked.clear()
    assert load_detector(settings, no_assets, cache=cache).backend.name == other
    assert asked == [other], "what was refused is tried again at each start"


def test_where_all_ways_fail_the_first_ones_reason_is_told_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings, cache = own_model(tmp_path / "models"), tmp_path / "cache"
    best = load_detector(settings, no_assets, cache=cache).backend.name
    with monkeypatch.context() as patched:
        refuse_engine(patched, {"openvino", "onnxruntime"})
        with pytest.raises(NotFit, match=f"not fit to serve on {best} .* it sees ghosts"):
            load_detector(settings, no_assets, cache=cache)
    assert load_detector(settings, no_assets, cache=cache).backend.name == best


def test_what_openvino_compiled_and_nobody_used_for_a_month_goes(tmp_path: Path):
    folder = compiled_folder(tmp_path)
    folder.mkdir()
    month_s = 30 * 86_400
    for name, read_s, written_s in [("old", 0, 0), ("read", 100, 0), ("new", 0, 100)]:
        (folder / f"{name}.blob").write_bytes(b"x")
        os.utime(folder / f"{name}.blob", (read_s, written_s))
    prune(tmp_path, month_s + 50.0)
    assert {path.stem for path in folder.iterdir()} == {"read", "new"}
    prune(tmp_path / "absent", 0.0)


def opener_with(folder: Path, *known: Known, absent: str = "") -> Opener:
    opener = Opener(own_model(folder, backend="openvino"), no_assets)
    opener.reference = Reference(known, "mine", "a test", "float32", absent)
    return opener


def test_fewer_bits_are_refused_where_there_is_nothing_to_compare_with(tmp_path: Path):
    opener = opener_with(tmp_path, absent="no known frames")
    assert opener.judge(opener.choose()) == "nothing to compare it with: no known frames"


def test_fewer_bits_are_taken_where_they_see_what_the_reference_sees(tmp_path: Path):
    opener = opener_with(tmp_path)
    detector = opener.choose()
    pictures = synthetic_pictures(8)
    opener.reference = make_reference(detector, pictures, "float32")
    assert opener.judge(detector) == ""


def test_fewer_bits_are_refused_where_they_miss_what_the_reference_sees(tmp_path: Path):
    somebody = Box(label="person", score=0.99, x1=0.4, y1=0.4, x2=0.45, y2=0.45)
    known = [Known(picture, (somebody,)) for picture in synthetic_pictures(8)]
    opener = opener_with(tmp_path, *known)
    assert "on known frames" in opener.judge(opener.choose())


def test_what_was_judged_with_another_threshold_is_tried_anew(tmp_path: Path):
    settings = own_model(tmp_path / "models")
    cache = tmp_path / "cache"
    load_detector(settings, no_assets, cache=cache)
    load_detector(settings.model_copy(update={"score_threshold": 0.4}), no_assets, cache=cache)
    assert len(list((cache / "measured").glob("*.json"))) == 2
