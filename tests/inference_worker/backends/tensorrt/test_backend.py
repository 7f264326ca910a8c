"""TensorRT's backend on the fake GPU, whose schedule is as late, or as wild, as CUDA allows."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_worker.backends.base import Backend, EngineBroken, EngineOptions, Pictures
from inference_worker.backends.choice import Place, open_backend
from inference_worker.detector import Detector
from inference_worker.loading import load_detector
from inference_worker.manifest import Input, Letterbox
from inference_worker.preprocess import Preprocessor, placed
from inference_worker.settings import InferSettings
from runtime.errors import FatalError, UserError
from tests.harness.fake_gpu_infer import VARIABLE, Plan, Report, read_report
from tests.inference_worker import onnx_models
from tests.inference_worker.backends.fake_gpu.fake_trt_context import IExecutionContext
from tests.inference_worker.backends.fake_gpu.fake_trt_types import Dims
from tests.inference_worker.backends.fake_gpu.install import installed
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.backends.fake_gpu.schedule import POLICIES
from tests.inference_worker.backends.tensorrt.conftest import OpenTensorRt
from tests.inference_worker.engine_suite import (
    MAX_BATCH,
    Engine,
    EngineSuite,
    OpenModel,
    WholeBatchSuite,
    some_input,
)
from tests.inference_worker.own_models import add_model, no_assets, noise

on_each_schedule = pytest.mark.parametrize(
    "fake_gpu", [FakeGpu(policy=one, seed=3) for one in POLICIES], ids=POLICIES, indirect=True
)
FRAMES = Input(
    width=32, height=32, layout="nchw", colour="rgb", std=(255.0, 255.0, 255.0),
    letterbox=Letterbox("centre", 114),
)  # fmt: skip


class TestTensorRt(EngineSuite, WholeBatchSuite):
    @pytest.fixture
    def open_model(self, open_tensorrt: OpenTensorRt) -> OpenModel:
        return open_tensorrt

    @pytest.fixture
    def engine(self) -> Engine:
        return Engine("tensorrt", "cuda")


def reference(folder: Path, model: bytes) -> Backend:
    path = folder / "reference.onnx"
    path.write_bytes(model)
    return open_backend(Place("onnxruntime", "cpu"), path, EngineOptions(1, MAX_BATCH))


@on_each_schedule
def test_two_threads_with_batches_of_any_size_each_get_their_own(
    open_tensorrt: OpenTensorRt, tmp_path: Path
) -> None:
    backend = open_tensorrt(onnx_models.convolutions())
    assert backend.lanes == 2
    x = some_input(16, 3, 32, 32)
    right = reference(tmp_path, onnx_models.convolutions())
    expected = np.concatenate([right.infer({"x": x[at : at + 8]})["y"] for at in (0, 8)])
    wrong: list[str] = []

    def run(sizes: list[int]) -> None:
        for start, size in enumerate(sizes):
            found = backend.infer({"x": x[start : start + size]})["y"]
            if not np.allclose(found, expected[start : start + size], atol=1e-5):
                wrong.append(f"{size} from {start}")

    threads = [threading.Thread(target=run, args=(one,)) for one in ([1, 8, 3, 2] * 2, [5, 2, 8])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_in_whatever_order_the_device_works_the_answers_are_the_same(
    seed: int, sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("engine")
    (folder / "model.onnx").write_bytes(onnx_models.affine())
    options = EngineOptions(threads=1, max_batch=6, cache=folder)
    with installed(FakeGpu(policy="random", seed=seed)) as machine:
        backend = open_backend(Place("tensorrt", "cuda"), folder / "model.onnx", options)
        for number, size in enumerate(sizes):
            x = some_input(size, 3, 2, 2) + number
            assert np.allclose(backend.infer({"x": x})["twice"], 2 * x + 1)
        backend.close()
        del backend
        assert (machine.misuse, machine.leaks()) == ([], [])


def test_a_declared_dynamic_batch_that_is_a_lie_is_told_when_the_engine_opens(
    open_tensorrt: OpenTensorRt,
) -> None:
    with pytest.raises(UserError, match=r"batch of 2: .*`max_batch` in the manifest"):
        open_tensorrt(onnx_models.affine(reshape_to=1))
    backend = open_tensorrt(max_batch=1)
    assert backend.infer({"x": some_input(1, 3, 2, 2)})["flat"].shape == (1, 12)


def test_a_batch_of_one_that_is_written_into_the_graph_is_freed(
    open_tensorrt: OpenTensorRt, tmp_path: Path
) -> None:
    backend = open_tensorrt(onnx_models.convolutions(batch=1, reshape_to=1))
    assert backend.max_batch == MAX_BATCH
    x = some_input(3, 3, 32, 32)
    right = reference(tmp_path, onnx_models.convolutions()).infer({"x": x})["y"]
    assert np.allclose(backend.infer({"x": x})["y"], right, atol=1e-5)


def test_float16_is_near_float32_and_takes_and_gives_float32(open_tensorrt: OpenTensorRt) -> None:
    full = open_tensorrt(onnx_models.convolutions())
    short = open_tensorrt(precision="float16")
    assert short.precision == "float16"
    x = some_input(4, 3, 32, 32)
    found, right = short.infer({"x": x})["y"], full.infer({"x": x})["y"]
    assert not np.array_equal(found, right)
    assert np.allclose(found, right, atol=2e-3)


# ------------------------------------------------------------ frames


def frames(*sizes: tuple[int, int]) -> Pictures:
    chance = np.random.default_rng(4)
    images = [chance.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    return Pictures(images, [placed(FRAMES, image) for image in images])


@on_each_schedule
@pytest.mark.usefixtures("nvrtc")
def test_frames_of_any_size_give_what_the_cpu_makes_of_them(open_tensorrt: OpenTensorRt) -> None:
    backend = open_tensorrt(onnx_models.convolutions(), frames=FRAMES)
    pictures = frames((40, 60), (32, 32), (100, 20))
    tensor, _ = Preprocessor(FRAMES)(pictures.images)
    found = backend.infer_pictures(pictures, {})["y"]  # type: ignore[attr-defined] # it has it
    assert np.allclose(found, backend.infer({"x": tensor})["y"], atol=0.05)


@pytest.mark.usefixtures("nvrtc")
def test_frames_that_do_not_fit_together_go_in_parts_and_one_too_large_by_the_cpu(
    open_tensorrt: OpenTensorRt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_worker.backends.tensorrt.backend._MOST_STAGING_BYTES", 16_000)
    backend = open_tensorrt(onnx_models.convolutions(), frames=FRAMES)
    pictures = frames((40, 60), (32, 32), (60, 60), (200, 200), (40, 40))
    tensor, _ = Preprocessor(FRAMES)(pictures.images)
    found = backend.infer_pictures(pictures, {})["y"]  # type: ignore[attr-defined]
    assert np.allclose(found, backend.infer({"x": tensor})["y"], atol=0.05)


def test_frames_need_the_manifest_to_be_right_about_the_input(open_tensorrt: OpenTensorRt) -> None:
    spec = Input(width=2, height=1, layout="nchw", colour="bgr", name="x", sizes="size")
    with pytest.raises(UserError, match=r"is float16, the manifest says `dtype: float32`"):
        open_tensorrt(onnx_models.typed(), frames=spec)


# ------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("failing", ["cuMemcpyHtoDAsync", "execute", "cuEventSynchronize"])
def test_after_an_error_of_the_device_nothing_is_tried_again(
    fake_gpu: FakeGpu, open_tensorrt: OpenTensorRt, failing: str
) -> None:
    backend = open_tensorrt(onnx_models.affine())
    x = some_input(2, 3, 2, 2)
    backend.infer({"x": x})
    fake_gpu.fails[failing] = "LAUNCH_FAILED"
    with pytest.raises(EngineBroken, match="unspecified launch failure"):
        backend.infer({"x": x})
    with pytest.raises(EngineBroken):
        backend.infer({"x": x})


def test_with_too_little_memory_there_are_fewer_lanes_then_smaller_batches(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu, caplog: pytest.LogCaptureFixture
) -> None:
    open_tensorrt(onnx_models.convolutions()).close()
    memory, ways = fake_gpu.memory, []
    for spare in range(700_000, 250_000, -25_000):
        memory.total = memory.used + spare  # the rest is another process'
        backend = open_tensorrt()
        ways.append((backend.lanes, backend.max_batch))
        x = some_input(1, 3, 32, 32)
        assert backend.infer({"x": x})["y"].shape == (1, 320)
        backend.close()
    # A second lane goes first; batches of up to 2 need only one context.
    assert list(dict.fromkeys(ways)) == [(2, 8), (1, 8), (1, 4), (1, 2)]
    assert "memory for 1 of 2 batches at once only" in caplog.text
    assert "batches of at most 2" in caplog.text


def test_without_memory_for_a_single_image_the_user_is_told(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu
) -> None:
    open_tensorrt(onnx_models.convolutions()).close()
    memory = fake_gpu.memory
    memory.total = memory.used + 200_000
    with pytest.raises(
        UserError, match=r"model\.onnx: the GPU has no memory left for a batch of 1"
    ):
        open_tensorrt()


def out_of_memory(fake_gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch, above: int) -> list[int]:
    """From now on batches of more than `above` fail; the sizes that are tried."""
    from inference_worker.backends.tensorrt.lane import Lane

    tried: list[int] = []
    infer = Lane.infer

    def infer_or_not(self: Lane, inputs: dict[str, np.ndarray], batch: int) -> object:
        tried.append(batch)
        if batch > above:
            fake_gpu.fails["enqueueV3"] = "OUT_OF_MEMORY"
        return infer(self, inputs, batch)

    monkeypatch.setattr(Lane, "infer", infer_or_not)
    return tried


def test_a_batch_that_memory_is_too_short_for_is_split(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = open_tensorrt(onnx_models.affine())
    tried = out_of_memory(fake_gpu, monkeypatch, above=2)
    x = some_input(7, 3, 2, 2)
    assert np.allclose(backend.infer({"x": x})["twice"], 2 * x + 1)
    assert tried == [7, 3, 1, 2, 4, 2, 2]


def test_an_image_that_memory_is_too_short_for_breaks_the_engine(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = open_tensorrt(onnx_models.affine())
    assert out_of_memory(fake_gpu, monkeypatch, above=0) == []
    with pytest.raises(EngineBroken, match="no memory left for an image"):
        backend.infer({"x": some_input(2, 3, 2, 2)})
    with pytest.raises(EngineBroken):
        backend.infer({"x": some_input(1, 3, 2, 2)})


def test_a_device_that_failed_leaves_its_context_on_the_stack_of_no_thread(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu
) -> None:
    """PyCUDA would abort the process as such a thread ends, before it has said why."""
    backend = open_tensorrt(onnx_models.affine())
    fake_gpu.fails["execute"] = "ILLEGAL_ADDRESS"
    raised: list[BaseException] = []

    def infer() -> None:
        try:
            backend.infer({"x": some_input(2, 3, 2, 2)})
        except EngineBroken as error:
            raised.append(error)

    for _ in range(2):
        thread = threading.Thread(target=infer)
        thread.start()
        thread.join()
    backend.close()
    assert len(raised) == 2
    assert fake_gpu.contexts.left_behind() == []


def test_a_device_that_failed_is_not_given_up_under_a_thread_that_is_in_the_midst_of_a_batch(
    fake_gpu: FakeGpu,
) -> None:
    from inference_worker.backends.tensorrt.device import Device

    device, is_in, still_current = Device(), threading.Event(), []

    def first() -> None:
        with device.current():
            is_in.wait()
            fake_gpu.broken = "ILLEGAL_ADDRESS"

    def second() -> None:
        with device.current(), device.current():
            is_in.set()
            threads[0].join(0.3)  # it would be out by now, if it didn't wait for this one
            still_current.append(fake_gpu.contexts.current())

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert still_current != [None]
    assert fake_gpu.contexts.left_behind() == []
    device.close()


def test_a_device_that_cannot_be_made_current_is_broken(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu
) -> None:
    backend = open_tensorrt(onnx_models.affine())
    fake_gpu.fails["cuCtxPushCurrent"] = "INVALID_CONTEXT"
    for _ in range(2):
        with pytest.raises(EngineBroken, match="cuCtxPushCurrent failed"):
            backend.infer({"x": some_input(2, 3, 2, 2)})


def test_outputs_whose_size_depends_on_the_image_are_refused_with_a_way_out(
    open_tensorrt: OpenTensorRt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As TensorRT tells of them before it has run: -1."""
    told = IExecutionContext.get_tensor_shape

    def unknown(self: IExecutionContext, name: str) -> Dims:
        return Dims([-1, 3]) if name == "flat" else told(self, name)

    monkeypatch.setattr(IExecutionContext, "get_tensor_shape", unknown)
    with pytest.raises(UserError, match=r"output 'flat' depends .*use `backend: onnxruntime`"):
        open_tensorrt(onnx_models.affine())


# ------------------------------------------------------------ who lets go of it


def test_a_backend_that_nobody_closes_gives_all_back_when_it_is_forgotten(
    fake_gpu: FakeGpu, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(onnx_models.convolutions())
    options = EngineOptions(threads=1, max_batch=2, cache=tmp_path, frames=FRAMES)
    backend = open_backend(Place("tensorrt", "cuda"), tmp_path / "model.onnx", options)
    backend.infer_pictures(frames((40, 60)), {})  # type: ignore[attr-defined]
    assert fake_gpu.leaks() != []
    del backend
    assert fake_gpu.leaks() == []


def detect(folder: Path, *pictures: Path) -> Report:
    """As a command, of which this is left."""
    report = folder / "report.json"
    environment = {
        **os.environ,
        "ONEHERTZ_CACHE": str(folder / "cache"),
        VARIABLE: msgspec.json.encode(Plan(str(report))).decode(),
    }
    settings = ("infer.model=mine", f'infer.model_folders=["{folder}"]', "infer.backend=tensorrt")
    command = [sys.executable, "-m", "tests.harness.fake_gpu_infer", "detect", *map(str, pictures)]
    command += [word for one in settings for word in ("--set", one)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return read_report(report)


def test_a_command_gives_all_back_before_python_ends_and_keeps_the_engine_for_the_next_one(
    tmp_path: Path,
) -> None:
    add_model(tmp_path, "mine", onnx_models.small_ssd())
    pictures = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, picture in zip(pictures, noise(2), strict=True):
        assert cv2.imwrite(str(path), picture)
    first, second = detect(tmp_path, *pictures), detect(tmp_path, pictures[0])
    assert (first.builds, second.builds) == (1, 0)
    for ended in (first, second):
        assert ended.peak_bytes > 0
        assert (ended.leaks, ended.misuse) == ([], [])


# ------------------------------------------------------------ from the settings


@pytest.fixture
def settings_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InferSettings:
    """Of a worker with a model of its own, where the driver sees a GPU."""
    monkeypatch.setattr("inference_worker.backends.choice.cuda_problem", lambda: "")
    add_model(tmp_path, "mine", onnx_models.small_ssd())
    return InferSettings(
        model="mine", model_folders=(tmp_path,), max_batch=4, threads=1,
        backend="tensorrt", precision="float32",
    )  # fmt: skip


@pytest.mark.usefixtures("nvrtc")
def test_a_model_is_admitted_and_detects_what_it_does_on_a_cpu(
    settings_for: InferSettings, fake_gpu: FakeGpu, tmp_path: Path
) -> None:
    cpu = settings_for.model_copy(update={"backend": "onnxruntime", "device": "cpu"})
    right = load_detector(cpu, no_assets, None, tmp_path / "cache")
    detector = load_detector(settings_for, no_assets, None, tmp_path / "cache")
    assert (detector.backend.name, detector.backend.device) == ("tensorrt", "cuda")
    pictures = noise(3)
    found, expected = detector.detect(pictures), right.detect(pictures)
    assert [[box.label for box in boxes] for boxes in found] == [
        [box.label for box in boxes] for boxes in expected
    ]
    detector.close()
    assert fake_gpu.leaks() == []


def test_without_a_gpu_the_cpu_serves_only_where_it_may_and_that_is_an_error_in_the_log(
    settings_for: InferSettings,
    fake_gpu: FakeGpu,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("inference_worker.backends.choice.cuda_problem", lambda: "no device")
    auto = settings_for.model_copy(update={"backend": "auto", "device": "auto", "streams": 0})
    with pytest.raises(UserError, match=r"no device can be used: no device; .*`cpu_fallback"):
        load_detector(auto, no_assets)
    detector = load_detector(auto.model_copy(update={"cpu_fallback": True}), no_assets)
    assert detector.backend.device == "cpu"
    (told,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert told.message.startswith("no GPU can be used: no device; the CPU does it")


@pytest.mark.parametrize("execution", [1, 5, 40])
def test_a_device_that_is_lost_in_the_admission_test_is_no_refusal_of_the_model(
    settings_for: InferSettings,
    fake_gpu: FakeGpu,
    tmp_path: Path,
    execution: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With `precision: auto`, from the measuring of both on: nothing of it may be remembered."""
    load_detector(settings_for, no_assets, None, tmp_path / "cache").close()
    auto = settings_for.model_copy(update={"precision": "auto"})
    lost_at(fake_gpu, execution, monkeypatch)
    with pytest.raises(EngineBroken):
        load_detector(auto, no_assets, None, tmp_path / "cache")
    assert list((tmp_path / "cache").glob("measured/*.json")) == []


def lost_at(fake_gpu: FakeGpu, execution: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device fails when an engine runs for the so manieth time."""
    from inference_worker.backends.tensorrt.lane import Lane

    infer, left = Lane.infer_pictures, [execution]

    def counted(self: Lane, *given: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            fake_gpu.fails["execute"] = "LAUNCH_FAILED"
        return infer(self, *given)

    monkeypatch.setattr(Lane, "infer_pictures", counted)


@pytest.mark.parametrize("what", ["the manifest names another input", "a stop in mid-test"])
def test_whatever_ends_the_opening_of_a_model_its_memory_is_given_back(
    settings_for: InferSettings,
    fake_gpu: FakeGpu,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    raised: type[BaseException] = FatalError
    kept: list[object] = []  # as a traceback does, or a debugger
    if what == "a stop in mid-test":
        raised = KeyboardInterrupt

        def admit(detector: Detector, *_: object) -> None:
            kept.append(detector)
            raise KeyboardInterrupt

        monkeypatch.setattr("inference_worker.loading.admit_once", admit)
    else:
        manifest = tmp_path / "mine" / "manifest.yaml"
        content = yaml.safe_load(manifest.read_text())
        content["input"]["sizes"] = "no such input"
        manifest.write_text(yaml.safe_dump(content))
    with pytest.raises(raised):
        load_detector(settings_for, no_assets, None, tmp_path / "cache")
    assert fake_gpu.leaks() == []
