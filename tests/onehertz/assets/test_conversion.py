"""The default detector as ONNX: the same answers as the original's, in every batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inference_worker.backends.base import EngineOptions
from inference_worker.backends.choice import Place, open_backend
from onehertz.assets.conversion import tflite_to_onnx
from onehertz.assets.sources import SourceFailed
from onehertz.assets.store import sha256_of
from tests.fixtures.assets import FetchedAssets, assets  # noqa: F401

OPTIONS = EngineOptions(threads=2, max_batch=4)
INPUT = "normalized_input_image_tensor"


@pytest.fixture(scope="module")
def forms(assets: FetchedAssets) -> tuple[Path, Path]:  # noqa: F811
    return assets.need("ssd-mobilenetv2-oidv4"), assets.need("ssd-mobilenetv2-oidv4-onnx")


def pictures(count: int) -> np.ndarray:
    chance = np.random.default_rng(7)
    return chance.uniform(-1, 1, (count, 300, 300, 3)).astype(np.float32)


def test_it_answers_as_the_original_does(forms: tuple[Path, Path]) -> None:
    original = open_backend(Place("openvino", "cpu"), forms[0], OPTIONS)
    converted = open_backend(Place("onnxruntime", "cpu"), forms[1], OPTIONS)
    given = {INPUT: pictures(3)}
    ours, theirs = converted.infer(given), original.infer(given)
    for name in ("raw_outputs/box_encodings", "raw_outputs/class_predictions"):
        assert ours[name].shape == theirs[name].shape
        # Floats of 32 bits, added up in another order; scores are before the sigmoid.
        assert np.abs(ours[name] - theirs[name]).max() < 1e-3


def test_a_picture_gets_the_same_bits_in_every_batch(forms: tuple[Path, Path]) -> None:
    converted = open_backend(Place("onnxruntime", "cpu"), forms[1], OPTIONS)
    given = pictures(4)
    alone = [converted.infer({INPUT: given[i : i + 1]}) for i in range(4)]
    together = converted.infer({INPUT: given})
    for name, array in together.items():
        for index in range(4):
            assert np.array_equal(array[index], alone[index][name][0])


def test_another_conversion_gives_the_same_file(forms: tuple[Path, Path], tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path;"
        "from onehertz.assets.conversion import tflite_to_onnx;"
        "tflite_to_onnx(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    # The converter walks through sets, so its order hangs on Python's hash seed.
    for seed in ("1", "2"):
        target = tmp_path / f"{seed}.onnx"
        subprocess.run(
            [sys.executable, "-c", script, str(forms[0]), str(target)],
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        assert sha256_of(target) == sha256_of(forms[1])


def test_a_file_that_is_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    source = tmp_path / "a.tflite"
    source.write_bytes(b"no model")
    with pytest.raises(SourceFailed, match=r"a\.tflite can't be converted to ONNX"):
        tflite_to_onnx(source, tmp_path / "a.onnx")


def test_without_the_converter_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tflite2onnx", None)
    with pytest.raises(SourceFailed, match=r"tflite2onnx is not installed: pip install"):
        tflite_to_onnx(tmp_path / "a.tflite", tmp_path / "a.onnx")
