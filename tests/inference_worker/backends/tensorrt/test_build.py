"""How an engine is built: how far it is, how it ends, and what the user is told."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from inference_worker.backends.base import Backend, EngineOptions
from inference_worker.backends.choice import Place, open_backend
from inference_worker.backends.tensorrt.errors import device_error
from inference_worker.backends.tensorrt.phases import Phases
from runtime.errors import UserError
from tests.inference_worker import onnx_models
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.backends.tensorrt.conftest import OpenTensorRt


def test_how_far_it_is_counts_what_is_under_way_within_a_phase() -> None:
    phases = Phases()
    assert phases.now() == ("", 0.0)
    phases.start("outer", None, 4)
    phases.step("outer", 0)
    phases.start("inner", "outer", 2)
    assert phases.now() == ("outer", pytest.approx(1 / 4))
    phases.step("inner", 0)
    assert phases.now() == ("outer", pytest.approx(1.5 / 4))
    phases.finish("inner")
    phases.step("inner", 1)  # too late: left out
    phases.step("outer", 1)
    assert phases.now() == ("outer", pytest.approx(2 / 4))
    phases.step("outer", 9)
    assert phases.now() == ("outer", 1.0)
    phases.finish("outer")
    assert phases.now() == ("", 0.0)


def test_a_worker_says_now_and_then_how_far_it_is(
    fake_gpu: FakeGpu, caplog: pytest.LogCaptureFixture
) -> None:
    from inference_worker.backends.tensorrt.progress import LoggedProgress

    caplog.set_level("INFO")
    now_s = [0.0]
    told = LoggedProgress("m.onnx", lambda: now_s[0])
    for now_s[0], fraction in ((10, 0.1), (31, 0.25), (40, 0.3), (62, 0.5)):
        told("Building", fraction)
    assert [one.message for one in caplog.records] == [
        "building m.onnx: Building, 25 %",
        "building m.onnx: Building, 50 %",
    ]


def built(folder: Path, told: Callable[[str, float], None]) -> None:
    from inference_worker.backends.tensorrt.device import Device
    from inference_worker.backends.tensorrt.engines import Engines

    (folder / "model.onnx").write_bytes(onnx_models.affine())
    device = Device()
    try:
        options = EngineOptions(1, 8, cache=folder / "cache")
        Engines(folder / "model.onnx", options, device, told).find()
    finally:
        device.close()


def test_a_build_tells_how_far_it_is(fake_gpu: FakeGpu, tmp_path: Path) -> None:
    told: list[float] = []
    built(tmp_path, lambda text, fraction: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.fixture
def interrupted() -> Iterator[threading.Event]:
    """Set when SIGINT has come, and is KeyboardInterrupt; a job in the background ignores it."""
    came = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    yield came
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_the_build_and_leaves_nothing_half_written(
    fake_gpu: FakeGpu, tmp_path: Path, interrupted: threading.Event
) -> None:
    """The signal comes while TensorRT is at work in another thread."""

    def told(text: str, fraction: float) -> None:
        if not interrupted.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupted.wait(20)

    with pytest.raises(KeyboardInterrupt):
        built(tmp_path, told)
    assert fake_gpu.builds == 0
    assert list((tmp_path / "cache" / "tensorrt").iterdir()) == []
    assert fake_gpu.leaks() == []


# ------------------------------------------------------------ complaints


def opening(folder: Path, model: bytes = b"", **options: object) -> Backend:
    (folder / "m.onnx").write_bytes(model or onnx_models.affine())
    given = EngineOptions(**({"threads": 1, "max_batch": 8} | options))  # type: ignore[arg-type]
    return open_backend(Place("tensorrt", "cuda"), folder / "m.onnx", given)


@pytest.mark.parametrize(
    ("fake_gpu", "complaint"),
    [
        (FakeGpu(devices=0), "the NVIDIA driver sees no device"),
        (FakeGpu(driver=None), "the NVIDIA driver sees no device"),
        (FakeGpu(busy=True), r"taken by another process \(exclusive mode\).*compute-mode=DEFAULT"),
        (FakeGpu(driver=11000), r"driver knows CUDA up to 11\.0, .* update the driver"),
        (FakeGpu(fails={"cuDevicePrimaryCtxRetain": "OUT_OF_MEMORY"}), "no memory left"),
        (FakeGpu(build_bytes=1 << 40), "too little memory free to build an engine"),
    ],
    indirect=["fake_gpu"],
)
def test_a_device_that_cannot_be_used_is_said_with_a_way_out(
    fake_gpu: FakeGpu, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=complaint):
        opening(tmp_path)


@pytest.mark.parametrize("fake_gpu", [FakeGpu(tensorrt="11.2.1.2"), FakeGpu()], indirect=True)
def test_an_engine_that_is_kept_does_not_hide_a_driver_that_is_too_old(
    fake_gpu: FakeGpu, tmp_path: Path
) -> None:
    """TensorRT 11 says so in its log alone, and gives a Runtime that ends the process."""
    opening(tmp_path, cache=tmp_path).close()
    fake_gpu.driver = 11000
    with pytest.raises(UserError, match=r"driver knows CUDA up to 11\.0"):
        opening(tmp_path, cache=tmp_path)


def test_memory_that_a_profile_lacks_is_memory(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu, caplog: pytest.LogCaptureFixture
) -> None:
    open_tensorrt(onnx_models.affine()).close()
    fake_gpu.fails["setOptimizationProfileAsync"] = "OutOfMemory"
    assert open_tensorrt().max_batch == 4
    assert "too little memory: batches of at most 4" in caplog.text


# As TensorRT 10.3 and 11.2 and PyCUDA say it (issues of NVIDIA/TensorRT 4258, 4254, 2826).
@pytest.mark.parametrize(
    "text",
    [
        "[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)",
        "[virtualMemoryBuffer.cpp::resizePhysical::154] Error Code 2: OutOfMemory (Requested size"
        " was 16581132288 bytes.)",
        "2: [executionContext.cpp::ExecutionContext::436] Error Code 2: OutOfMemory (no further"
        " information)",
        "cuMemAlloc failed: out of memory",
    ],
)
def test_what_tensorrt_says_of_memory_is_understood(text: str) -> None:
    from inference_worker.backends.tensorrt.errors import is_out_of_memory

    assert is_out_of_memory(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "(CUDA initialization failure with error: 35 In checkCudaInstallation",
            "update the drive",
        ),
        ("CUDA initialization failure with error: 2. Please check", "no memory left"),
        ("CUDA initialization failure with error 100. Please check", "sees no device"),
        (
            "cuInit failed: system has unsupported display driver / cuda driver combination",
            "restart",
        ),
        ("cuInit failed: forward compatibility was attempted on non supported HW", "cuda-compat"),
        ("(cudaError 35: CUDA driver version is insufficient for CUDA runtime version)", "12.4"),
        ("CUDA initialization failure with error: 222", "can't be used"),
    ],
)
def test_what_is_said_of_the_driver_is_understood(text: str, told: str) -> None:

    assert told in str(device_error(text, "12.4"))


def test_a_build_leaves_memory_for_the_contexts_that_serve_beside_each_other(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu
) -> None:
    open_tensorrt(onnx_models.affine())
    # Two lanes, two profiles: four contexts take as much again, and what serves already does too.
    assert 0 < fake_gpu.workspace_bytes <= fake_gpu.memory.total / 8


def test_an_operator_that_tensorrt_lacks_is_named_with_its_node(
    open_tensorrt: OpenTensorRt,
    fake_gpu: FakeGpu,
) -> None:
    fake_gpu.unsupported = frozenset({"Neg"})
    with pytest.raises(UserError, match=r"model\.onnx: .*\(Neg\).*use `backend: onnxruntime`"):
        open_tensorrt(onnx_models.renamed())


def test_a_precision_that_tensorrt_lacks_is_refused(open_tensorrt: OpenTensorRt) -> None:
    with pytest.raises(UserError, match="no bfloat16 here; use one of float32, float16"):
        open_tensorrt(onnx_models.affine(), precision="bfloat16")


def test_other_files_than_onnx_are_refused(fake_gpu: FakeGpu, tmp_path: Path) -> None:
    options = EngineOptions(1, 1)
    with pytest.raises(UserError, match=r"m\.tflite: TensorRT reads only \.onnx"):
        open_backend(Place("tensorrt", "cuda"), tmp_path / "m.tflite", options)
