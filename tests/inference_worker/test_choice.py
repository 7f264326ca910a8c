"""Which engine and device serve, from what is asked for and what is there."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from inference_worker.backends.choice import Machine, Place, installed_engines, places, this_machine
from inference_worker.backends.cuda import cuda_problem
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


def test_tensorrt_which_compiles_for_minutes_is_taken_only_where_it_is_asked_for() -> None:
    machine = Machine({"cuda": ("onnxruntime", "onnxruntime-tensorrt"), "cpu": ()}, "")
    assert places("auto", "auto", [".onnx"], machine) == [Place("onnxruntime", "cuda")]
    asked = places("onnxruntime-tensorrt", "auto", [".onnx"], machine)
    assert asked == [Place("onnxruntime-tensorrt", "cuda")]


def test_without_a_gpu_tensorrt_is_refused() -> None:
    with pytest.raises(UserError, match="onnxruntime-tensorrt does not run on cpu"):
        places("onnxruntime-tensorrt", "auto", [".onnx"], CPU_WORKER)
