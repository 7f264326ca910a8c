"""Models by name, with weights that are the right ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_worker.store import Store, packaged_models
from runtime.errors import UserError
from tests.inference_worker.onnx_models import small_ssd
from tests.inference_worker.own_models import add_model, no_assets


def test_weights_beside_the_manifest_are_found(tmp_path: Path):
    add_model(tmp_path, "mine", small_ssd())
    store = Store(no_assets, [tmp_path])
    assert store.names() == ("mine", "ssd-mobilenet-v2")
    assert store.model("mine", [".onnx"]).weights == tmp_path / "mine" / "small.onnx"


def test_the_users_model_hides_the_packaged_one_of_its_name(tmp_path: Path):
    add_model(tmp_path, "ssd-mobilenet-v2", small_ssd(), about="mine")
    assert Store(no_assets, [tmp_path]).manifest("ssd-mobilenet-v2").about == "mine"
    assert Store(no_assets).manifest("ssd-mobilenet-v2").about != "mine"


def test_the_packaged_models_weights_are_an_asset(real_weights: Path):
    asked: list[str] = []

    def asset_path(name: str) -> Path:
        asked.append(name)
        return real_weights

    reads = [".onnx", ".tflite"]
    assert Store(asset_path).model("ssd-mobilenet-v2", reads).weights == real_weights
    assert asked == ["ssd-mobilenetv2-oidv4"]


def test_every_asset_that_a_manifest_names_is_in_the_catalogue_with_its_hash():
    from onehertz.assets import load_catalogue

    store = Store(no_assets)
    for name in store.names():
        for weights in store.manifest(name).weights:
            asset = load_catalogue().asset(weights.asset)
            assert (asset.sha256, asset.file) == (weights.sha256, weights.file)


def test_a_model_without_a_form_that_the_engine_reads_is_an_error_that_says_so(tmp_path: Path):
    add_model(tmp_path, "mine", small_ssd())
    with pytest.raises(UserError, match=r"none of small\.onnx can be read by .* reads \.tflite"):
        Store(no_assets, [tmp_path]).model("mine", [".tflite"])


def test_weights_with_another_hash_are_refused(tmp_path: Path):
    model = add_model(tmp_path, "mine", small_ssd())
    (model / "small.onnx").write_bytes(small_ssd() + b"\0")
    with pytest.raises(UserError, match=r"small\.onnx: is not the file that mine was made for"):
        Store(no_assets, [tmp_path]).model("mine", [".onnx"])


def test_weights_that_are_not_there_are_an_error_that_names_them(tmp_path: Path):
    add_model(tmp_path, "mine", small_ssd())
    (tmp_path / "mine" / "small.onnx").unlink()
    with pytest.raises(UserError, match=r"small\.onnx: the weights of mine can't be read: No such"):
        Store(no_assets, [tmp_path]).model("mine", [".onnx"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ssd-mobilenet", "did you mean 'ssd-mobilenet-v2'?"),
        ("zebra", "there are: ssd-mobilenet-v2"),
        ("../models/ssd-mobilenet-v2", "did you mean 'ssd-mobilenet-v2'?"),
    ],
)
def test_an_unknown_model_is_an_error_with_a_hint(name: str, hint: str):
    with pytest.raises(UserError) as caught:
        Store(no_assets).model(name, [".onnx"])
    assert str(caught.value) == f"no model is called {name!r}; {hint}"


def test_the_packaged_folder_is_there():
    assert (packaged_models() / "ssd-mobilenet-v2" / "manifest.yaml").is_file()


def test_a_folder_without_a_manifest_is_named(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(
        UserError, match=r"mine: has no manifest\.yaml that can be read: is no model"
    ):
        Store(no_assets, [tmp_path]).folder("mine")
