"""The suite that every engine passes, on TensorRT itself: in tensors, and in frames."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from inference_worker.backends.base import Backend, EngineOptions
from inference_worker.backends.choice import Place, open_backend
from tests.inference_worker import onnx_models
from tests.inference_worker.engine_suite import (
    MAX_BATCH,
    Engine,
    EngineSuite,
    OpenModel,
    WholeBatchSuite,
    some_input,
)

pytestmark = pytest.mark.claim("conformance")


@pytest.fixture
def open_model(tmp_path: Path) -> Iterator[OpenModel]:
    opened: list[Backend] = []

    def open_it(model: bytes) -> Backend:
        path = tmp_path / str(len(opened)) / "model.onnx"
        path.parent.mkdir()
        path.write_bytes(model)
        options = EngineOptions(threads=1, max_batch=MAX_BATCH)
        opened.append(open_backend(Place("tensorrt", "cuda"), path, options))
        return opened[-1]

    yield open_it
    for backend in opened:
        backend.close()


@pytest.fixture
def engine() -> Engine:
    return Engine("tensorrt", "cuda")


class TestTensorRt(EngineSuite):
    pass


class TestTensorRtWhole(WholeBatchSuite):
    pass


def test_two_batches_at_once_get_their_own_answers(open_model: OpenModel):
    backend = open_model(onnx_models.affine())
    inputs = [some_input(1 + number % MAX_BATCH, 3, 2, 2) + number for number in range(40)]
    with ThreadPoolExecutor(backend.lanes) as threads:
        answers = list(threads.map(lambda x: backend.infer({"x": x})["twice"], inputs))
    for x, answer in zip(inputs, answers, strict=True):
        assert answer == pytest.approx(2 * x + 1, rel=1e-5)


def test_the_answers_are_the_cpus(open_model: OpenModel, tmp_path: Path):
    x = some_input(3, 3, 32, 32)
    found = open_model(onnx_models.convolutions()).infer({"x": x})["y"]
    options = EngineOptions(threads=1, max_batch=MAX_BATCH)
    cpu = Place("onnxruntime", "cpu")
    with closing(open_backend(cpu, tmp_path / "0" / "model.onnx", options)) as reference:
        assert found == pytest.approx(reference.infer({"x": x})["y"], rel=1e-4, abs=1e-4)


def test_an_engine_that_is_kept_is_taken_again(tmp_path: Path):
    """And gives the same answers to the last bit."""
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_models.convolutions())
    options = EngineOptions(threads=1, max_batch=4, cache=tmp_path / "cache")
    x = some_input(3, 3, 32, 32)
    answers, built = [], []
    for _ in range(2):
        with closing(open_backend(Place("tensorrt", "cuda"), path, options)) as backend:
            answers.append(backend.infer({"x": x})["y"])
        engines = (tmp_path / "cache" / "tensorrt").glob("*.engine")
        built.append([(one.name, one.stat().st_ino) for one in engines])
    assert built[0] == built[1] != []
    assert np.array_equal(*answers)
