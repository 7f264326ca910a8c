"""The engines of CPUs pass the suite of all engines, in each way to run them, and more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar, NamedTuple

import numpy as np
import pytest

from inference_worker.backends.base import Backend, EngineOptions
from inference_worker.backends.choice import Place, installed_engines, open_backend
from inference_worker.detector import Detector
from runtime.errors import FatalError, UserError
from tests.inference_worker import onnx_models
from tests.inference_worker.engine_suite import (
    MAX_BATCH,
    Engine,
    EngineSuite,
    OpenModel,
    WholeBatchSuite,
    some_input,
)

ROOT = Path(__file__).parents[2]


class Way(NamedTuple):
    engine: str
    streams: int = 0  # 0: a batch is inferred as one


WAYS = [Way(engine, streams) for engine in installed_engines() for streams in (0, 1, 3)]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way.engine}-{way.streams or 'whole'}")
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


@pytest.fixture(params=[way for way in WAYS if way.streams == 0], ids=lambda way: way.engine)
def whole(request: pytest.FixtureRequest) -> Way:
    return request.param


@pytest.fixture(
    params=[way for way in WAYS if way.streams], ids=lambda way: "-".join(map(str, way))
)
def alone(request: pytest.FixtureRequest) -> Way:
    return request.param


def opened(way: Way, folder: Path, model: bytes, *, threads: int = 1) -> Backend:
    path = folder / "model.onnx"
    path.write_bytes(model)
    options = EngineOptions(threads=threads, max_batch=MAX_BATCH, streams=way.streams)
    return open_backend(Place(way.engine, "cpu"), path, options)


def test_both_cpu_engines_are_tested():
    assert set(installed_engines()) == {"openvino", "onnxruntime"}


class TestEachWay(EngineSuite):
    @pytest.fixture
    def open_model(self, way: Way, tmp_path: Path) -> OpenModel:
        return lambda model: opened(way, tmp_path, model)

    @pytest.fixture
    def engine(self, way: Way) -> Engine:
        return Engine(way.engine, "cpu")


class TestBatchesAsOne(WholeBatchSuite):
    @pytest.fixture
    def open_model(self, whole: Way, tmp_path: Path) -> OpenModel:
        return lambda model: opened(whole, tmp_path, model)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_image_gets_the_same_bits_in_every_batch(way: Way, tmp_path: Path, threads: int):
    reference = opened(way, tmp_path, onnx_models.convolutions())
    x = some_input(12, 3, 32, 32)
    alone = [reference.infer({"x": x[i : i + 1]})["y"][0] for i in range(len(x))]
    backend = opened(way, tmp_path, onnx_models.convolutions(), threads=threads)
    for size in range(1, MAX_BATCH + 1):
        for start in range(len(x) - size + 1):
            batch = backend.infer({"x": x[start : start + size]})["y"]
            assert np.array_equal(batch, alone[start : start + size]), (size, start)


def test_the_answers_of_the_engines_agree(tmp_path: Path):
    x = some_input(3, 3, 32, 32)
    answers = [
        opened(way, tmp_path, onnx_models.convolutions()).infer({"x": x})["y"] for way in WAYS
    ]
    for answer in answers[1:]:
        assert answer == pytest.approx(answers[0], rel=1e-4, abs=1e-5)


def test_a_declared_dynamic_batch_that_is_a_lie_is_a_fatal_error(whole: Way, tmp_path: Path):
    backend = opened(whole, tmp_path, onnx_models.affine(reshape_to=1))
    assert backend.infer({"x": some_input(1, 3, 2, 2)})["flat"].shape == (1, 12)
    with pytest.raises(FatalError, match="batch of 2"):
        backend.infer({"x": some_input(2, 3, 2, 2)})


@pytest.mark.parametrize("batch", [1, "N"])
def test_images_one_by_one_make_batches_of_a_graph_for_one(
    alone: Way, tmp_path: Path, batch: int | str
):
    backend = opened(alone, tmp_path, onnx_models.affine(batch=batch, reshape_to=1))
    assert backend.max_batch == MAX_BATCH
    x = some_input(5, 3, 2, 2)
    outputs = backend.infer({"x": x})
    assert outputs["twice"] == pytest.approx(2 * x + 1, rel=1e-6)
    assert outputs["flat"] == pytest.approx((2 * x + 1).reshape(5, 12), rel=1e-6)


def test_a_squeezed_batch_axis_comes_back_in_every_image_of_a_batch(alone: Way, tmp_path: Path):
    backend = opened(alone, tmp_path, onnx_models.affine(batch=1, squeezed=True))
    x = some_input(4, 3, 2, 2)
    assert backend.infer({"x": x})["flat"] == pytest.approx((2 * x + 1).reshape(4, 12), rel=1e-6)


def test_a_file_that_is_not_there_is_an_error_that_names_it(way: Way, tmp_path: Path):
    with pytest.raises(UserError, match=r"absent\.onnx"):
        open_backend(
            Place(way.engine, "cpu"),
            tmp_path / "absent.onnx",
            EngineOptions(threads=1, max_batch=1),
        )


def test_openvino_frees_a_batch_of_one_that_is_written_into_the_graph(tmp_path: Path):
    model = onnx_models.convolutions(batch=1, reshape_to=1)
    backend = opened(Way("openvino"), tmp_path, model)
    assert backend.max_batch == MAX_BATCH
    x = some_input(3, 3, 32, 32)
    free = opened(Way("openvino"), tmp_path, onnx_models.convolutions())
    assert np.array_equal(backend.infer({"x": x})["y"], free.infer({"x": x})["y"])


def test_onnx_runtime_refuses_what_it_cannot_do(tmp_path: Path):
    options = EngineOptions(threads=1, max_batch=1)
    with pytest.raises(UserError, match=r"a\.tflite: ONNX Runtime reads only \.onnx"):
        open_backend(Place("onnxruntime", "cpu"), tmp_path / "a.tflite", options)
    half = EngineOptions(threads=1, max_batch=1, precision="bfloat16")
    with pytest.raises(UserError, match="ONNX Runtime has no bfloat16"):
        open_backend(Place("onnxruntime", "cpu"), tmp_path / "a.onnx", half)


class FakeSession:
    """Stands for ONNX Runtime's session on a GPU, which is not here; holds what was asked."""

    def __init__(self, path: str, options: object, **asked: object) -> None:
        self.asked = asked
        FakeSession.last = self

    providers: ClassVar[list[str]] = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    last: ClassVar[FakeSession]

    def get_providers(self) -> list[str]:
        return self.providers

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="x", shape=["batch", 3])]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="y")]


def empty_file(folder: Path) -> Path:
    path = folder / "a.onnx"
    path.touch()
    return path


@pytest.fixture
def fake_session(monkeypatch: pytest.MonkeyPatch) -> type[FakeSession]:
    monkeypatch.setattr("onnxruntime.InferenceSession", FakeSession)
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: None)
    return FakeSession


def test_on_a_gpu_onnx_runtime_computes_in_float32_and_never_changes_to_the_cpu(
    fake_session: type[FakeSession], tmp_path: Path
):
    options = EngineOptions(threads=1, max_batch=4)
    backend = open_backend(Place("onnxruntime", "cuda"), empty_file(tmp_path), options)
    assert (backend.name, backend.device, backend.max_batch) == ("onnxruntime", "cuda", 4)
    asked = fake_session.last.asked
    assert asked["enable_fallback"] is False
    (first, provider_options), *_ = asked["providers"]
    assert first == "CUDAExecutionProvider"
    assert provider_options["use_tf32"] == "0"


def test_a_session_that_left_the_gpu_out_is_refused(
    fake_session: type[FakeSession], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(fake_session, "providers", ["CPUExecutionProvider"])
    options = EngineOptions(threads=1, max_batch=4)
    with pytest.raises(UserError, match="ONNX Runtime can't use the GPU"):
        open_backend(Place("onnxruntime", "cuda"), empty_file(tmp_path), options)


def test_the_default_detector_gives_the_same_bits_in_every_batch(
    real_detector: Detector, campus: list[np.ndarray]
):
    alone = [real_detector.infer([picture])[0] for picture in campus]
    for size in (2, 3, 8):
        for start in range(0, len(campus) - size + 1, size):
            outputs, _ = real_detector.infer(campus[start : start + size])
            for name, array in outputs.items():
                for place in range(size):
                    assert np.array_equal(array[place], alone[start + place][name][0])


def test_openvino_tells_nobody_that_it_is_used() -> None:
    script = (
        "import inference_worker.backends.openvino\n"
        "from openvino.tools.ovc.telemetry_utils import tm\n"
        "print(tm.__name__)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert told.stdout == "openvino.tools.ovc.telemetry_stub\n"
