"""Which engine and device serve, from what is asked for and what is there."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from inference_worker.backends.choice import Machine, Place, installed_engines, places, this_machine
from inference_worker.backends.cuda import (
    cuda_problem,
    gpu_name,
    loading_tensorrt,
    tensorrt_problem,
)
from runtime.errors import UserError

NO_GPU = "the NVIDIA driver (libcuda.so.1) is not there"
CPU_WORKER = Machine({"cuda": (), "cpu": ("openvino", "onnxruntime")}, NO_GPU)
GPU_WORKER = Machine({"cuda": ("onnxruntime",), "cpu": ("onnxruntime",)}, "")
BARE = Machine({"cuda": (), "cpu": ()}, NO_GPU)
BOTH_FORMS = (".tflite", ".onnx")


@pytest.mark.parametrize(
    ("machine", "engine", "device", "forms", "place"),
    [
        (CPU_WORKER, "auto", "auto", BOTH_FORMS, Place("openvino", "cpu")),
        (CPU_WORKER, "onnxruntime", "auto", BOTH_FORMS, Place("onnxruntime", "cpu")),
        (GPU_WORKER, "auto", "auto", BOTH_FORMS, Place("onnxruntime", "cuda")),
        (GPU_WORKER, "auto", "cuda", BOTH_FORMS, Place("onnxruntime", "cuda")),
        (GPU_WORKER, "auto", "cpu", BOTH_FORMS, Place("onnxruntime", "cpu")),
        # A GPU of no use for this package: the CPU it is.
        (
            Machine({"cuda": (), "cpu": ("openvino",)}, ""),
            "auto",
            "auto",
            [".tflite"],
            Place("openvino", "cpu"),
        ),
    ],
)
def test_the_first_place_that_suits_is_taken(
    machine: Machine, engine: Any, device: Any, forms: Any, place: Place
) -> None:
    assert places(engine, device, forms, machine)[0] == place


@pytest.mark.parametrize(
    ("machine", "engine", "device", "forms", "complaint"),
    [
        (CPU_WORKER, "auto", "cuda", BOTH_FORMS, f"no CUDA device can be used: {NO_GPU}"),
        (CPU_WORKER, "onnxruntime", "cpu", [".tflite"], "onnxruntime reads .onnx, the model has"),
        (
            CPU_WORKER,
            "tensorrt",
            "auto",
            BOTH_FORMS,
            f"runs on a GPU alone, and no CUDA device can be used: {NO_GPU}",
        ),
        (GPU_WORKER, "openvino", "cuda", BOTH_FORMS, "openvino does not run on cuda"),
        (GPU_WORKER, "openvino", "cpu", BOTH_FORMS, "openvino for cpu is not installed"),
        (GPU_WORKER, "auto", "cuda", [".tflite"], "no inference engine for .tflite on cuda"),
        (BARE, "auto", "auto", [".onnx"], r"pip install 'onehertz[worker-cpu]'"),
        (
            Machine({"cuda": (), "cpu": ("onnxruntime",)}, ""),
            "onnxruntime",
            "cuda",
            [".onnx"],
            r"onnxruntime for cuda is not installed: pip install 'onehertz[worker-gpu]'",
        ),
    ],
)
def test_what_cannot_be_had_is_said(
    machine: Machine, engine: Any, device: Any, forms: Any, complaint: str
) -> None:
    with pytest.raises(UserError) as caught:
        places(engine, device, forms, machine)
    assert complaint in str(caught.value)


def test_this_machine_has_what_is_installed() -> None:
    assert this_machine().engines["cpu"] == installed_engines()


class FakeDriver:
    """Stands for libcuda.so.1, which no machine without an NVIDIA driver has."""

    def __init__(self, init: int = 0, count: int = 0, counting: int = 0) -> None:
        self._init, self._count, self._counting = init, count, counting

    def cuInit(self, flags: int) -> int:  # noqa: N802 - the driver's own name
        return self._init

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        ctypes.cast(count, ctypes.POINTER(ctypes.c_int))[0] = self._count
        return self._counting

    def cuDeviceGet(self, device: Any, number: int) -> int:  # noqa: N802
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:  # noqa: N802
        name.value = b"Fake GPU"
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        ctypes.cast(version, ctypes.POINTER(ctypes.c_int))[0] = 12060
        return 0


@pytest.mark.parametrize(
    ("driver", "problem"),
    [
        (FakeDriver(count=1), ""),
        (FakeDriver(count=0), "the NVIDIA driver sees no device"),
        (FakeDriver(init=100), "the NVIDIA driver can't be used (cuInit gives 100)"),
        (FakeDriver(counting=3), "the NVIDIA driver can't be used (cuDeviceGetCount gives 3)"),
    ],
)
def test_the_driver_is_asked_for_devices(driver: FakeDriver, problem: str) -> None:
    assert cuda_problem(lambda _: driver) == problem


def test_where_there_is_no_driver_that_is_the_problem() -> None:
    def absent(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    assert cuda_problem(absent) == NO_GPU


def test_tensorrt_is_preferred_on_a_gpu() -> None:
    machine = Machine({"cuda": ("tensorrt", "onnxruntime"), "cpu": ()}, "")
    found = places("auto", "auto", [".onnx"], machine)
    assert found == [Place("tensorrt", "cuda"), Place("onnxruntime", "cuda")]
    assert places("tensorrt", "auto", [".onnx"], machine) == [Place("tensorrt", "cuda")]


def test_tensorrt_is_refused_without_a_gpu_with_its_reason() -> None:
    half = "the package tensorrt is installed, but not pycuda"
    machine = Machine({"cuda": (), "cpu": ("onnxruntime",)}, "", half)
    with pytest.raises(UserError, match=f"tensorrt can't be used: {half}"):
        places("tensorrt", "cuda", [".onnx"], machine)
    with pytest.raises(UserError, match="tensorrt does not run on cpu"):
        places("tensorrt", "cpu", [".onnx"], machine)


LOST_GPU = Machine({"cuda": ("tensorrt",), "cpu": ("onnxruntime",)}, "the GPU has fallen off")


def test_a_worker_with_engines_for_a_gpu_does_not_quietly_run_on_the_cpu() -> None:
    with pytest.raises(UserError, match=r"has fallen off.*`device: cpu`.*`cpu_fallback: true`"):
        places("auto", "auto", [".onnx"], LOST_GPU)
    with pytest.raises(UserError, match="has fallen off"):
        places("tensorrt", "auto", [".onnx"], LOST_GPU)


def test_it_does_so_where_it_is_allowed_or_the_cpu_is_meant() -> None:
    on_cpu = [Place("onnxruntime", "cpu")]
    assert places("auto", "auto", [".onnx"], LOST_GPU, cpu_fallback=True) == on_cpu
    assert places("auto", "cpu", [".onnx"], LOST_GPU) == on_cpu
    assert places("onnxruntime", "auto", [".onnx"], LOST_GPU) == on_cpu


def test_cpu_fallback_is_for_lost_devices_not_for_what_a_gpu_was_asked_for() -> None:
    with pytest.raises(UserError, match="no CUDA device can be used: the GPU has fallen off"):
        places("auto", "cuda", [".onnx"], LOST_GPU, cpu_fallback=True)


@pytest.mark.parametrize(
    ("packages", "version", "problem"),
    [
        ({"tensorrt", "pycuda"}, "10.3.0", ""),
        ({"tensorrt", "pycuda"}, "11.2.1.2", ""),
        ({"tensorrt", "pycuda"}, "", ""),  # one that doesn't say: its own words come when it opens
        ({"tensorrt"}, "10.3.0", "tensorrt is installed, but not pycuda"),
        ({"pycuda"}, "", "pycuda is installed, but not tensorrt"),
        (set(), "", "tensorrt and pycuda are not installed"),
        ({"tensorrt", "pycuda"}, "8.6.1", "TensorRT 8.6.1 is installed, 10 or 11 is needed"),
        ({"tensorrt", "pycuda"}, "12.0.0", "TensorRT 12.0.0 is installed, 10 or 11 is needed"),
    ],
)
def test_what_is_installed_of_tensorrt_is_told(
    packages: set[str], version: str, problem: str
) -> None:
    found = tensorrt_problem(packages.__contains__, lambda: version)
    assert (problem in found) if problem else found == ""


def test_libraries_that_cannot_be_loaded_are_no_traceback() -> None:
    complaint = "tensorrt is installed, and can't be loaded: libnvinfer"
    with pytest.raises(UserError, match=complaint), loading_tensorrt():
        raise ImportError("libnvinfer.so.10: cannot open shared object file")


def test_a_driver_older_than_pycuda_is_named() -> None:
    """As Python says it of PyCUDA for CUDA 13 on a driver for 12."""
    complaint = "the NVIDIA driver is older than the CUDA that PyCUDA was made for"
    with pytest.raises(UserError, match=complaint), loading_tensorrt():
        raise ImportError("/x/pycuda/_driver.so: undefined symbol: cuCtxCreate_v4")


def test_a_measurement_knows_its_gpu() -> None:
    assert gpu_name(lambda _: FakeDriver(count=1)) == "Fake GPU, CUDA 12060"
    assert gpu_name(lambda _: FakeDriver(count=0)) == ""
