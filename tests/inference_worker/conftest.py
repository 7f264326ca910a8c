"""The real detector, and a small one of the same output format made by the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference_worker.backends.base import EngineOptions, Outputs, Tensor
from inference_worker.backends.choice import Place, open_backend
from inference_worker.detector import Detector
from inference_worker.store import Store
from tests.fixtures.assets import FetchedAssets, assets  # noqa: F401
from tests.inference_worker import onnx_models

pytest.register_assert_rewrite("tests.inference_worker.engine_suite")

Image = np.ndarray


@pytest.fixture(scope="session")
def real_weights(assets: FetchedAssets) -> Path:  # noqa: F811
    return assets.need("ssd-mobilenetv2-oidv4")


@pytest.fixture(scope="session")
def real_detector(real_weights: Path) -> Detector:
    place = Place("openvino", "cpu")
    model = Store(lambda _: real_weights).model("ssd-mobilenet-v2", place.reads)
    options = EngineOptions(threads=2, max_batch=8)
    return Detector(model.manifest, open_backend(place, model.weights, options))


@pytest.fixture(scope="session")
def campus(assets: FetchedAssets) -> list[Image]:  # noqa: F811
    """Every 50th frame of a clip of people who cross a campus: 16 pictures of 768 x 576."""
    clip = cv2.VideoCapture(str(assets.need("vtest")))
    pictures = []
    for index in range(795):
        there, picture = clip.read()
        assert there
        if index % 50 == 0:
            pictures.append(picture)
    clip.release()
    return pictures


@pytest.fixture
def small_detector(tmp_path: Path) -> Callable[..., Detector]:
    """Makes a detector of a graph variant of `onnx_models.small_ssd`."""

    def make(variant: str = "good", *, max_batch: int = 4, engine: str = "onnxruntime") -> Detector:
        weights = tmp_path / f"{variant}.onnx"
        if not weights.exists():  # an engine may have mapped it
            weights.write_bytes(onnx_models.small_ssd(variant))
        options = EngineOptions(threads=1, max_batch=max_batch)
        backend = open_backend(Place(engine, "cpu"), weights, options)
        return Detector(onnx_models.SMALL_SSD, backend, options=options)

    return make


class Canned:
    """An engine that answers with what it was given, whatever the picture, and holds its inputs."""

    name, device, precision, max_batch, lanes = "canned", "cpu", "float32", 8, 1

    def __init__(self, outputs: Outputs, *input_names: str) -> None:
        self.outputs = outputs
        self.input_names = input_names or ("images",)
        self.inputs: Mapping[str, Tensor] = {}

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        self.inputs = inputs
        return self.outputs

    def close(self) -> None:
        pass
