"""Chooses the engine and the device that the settings ask for, and opens it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from inference_worker.backends.base import Backend, EngineOptions
from inference_worker.backends.cuda import cuda_problem, loading_tensorrt, tensorrt_problem
from runtime.errors import UserError

Engine = Literal["openvino", "onnxruntime", "tensorrt"]
Device = Literal["cpu", "cuda"]

# Suffixes of the files that an engine reads.
READS: dict[Engine, tuple[str, ...]] = {
    "openvino": (".onnx", ".tflite", ".pb", ".xml"),
    "onnxruntime": (".onnx",),
    "tensorrt": (".onnx",),
}
# For each device, in the order in which `auto` prefers them.
_ENGINES: dict[Device, tuple[Engine, ...]] = {
    "cuda": ("tensorrt", "onnxruntime"),
    "cpu": ("openvino", "onnxruntime"),
}
# ONNX Runtime is published as two packages, of which only one has this library.
_ONNX_RUNTIME_GPU = "libonnxruntime_providers_cuda.so"
_EXTRAS: dict[Device, str] = {"cuda": "worker-gpu", "cpu": "worker-cpu"}


@dataclass(frozen=True)
class Machine:
    """What there is to infer with."""

    engines: dict[Device, tuple[Engine, ...]]  # installed, the preferred one first
    cuda_problem: str  # why no CUDA device can be used; empty where one can
    tensorrt_problem: str = ""  # why TensorRT is not among the engines


@dataclass(frozen=True)
class Place:
    """Where a model is to run."""

    engine: Engine
    device: Device

    @property
    def reads(self) -> tuple[str, ...]:
        """Suffixes of the files that can be opened here."""
        return READS[self.engine]


def installed_engines() -> tuple[Engine, ...]:
    """Those whose Python package is there, the one preferred on a CPU first."""
    return tuple(engine for engine in _ENGINES["cpu"] if find_spec(engine) is not None)


def this_machine() -> Machine:
    """Looks at what is installed; imports no engine, since each of them is heavy."""
    installed = installed_engines()
    problem = tensorrt_problem()
    cuda: list[Engine] = [] if problem else ["tensorrt"]
    found = find_spec("onnxruntime")
    parts = Path(found.origin).parent / "capi" if found and found.origin else Path()
    if (parts / _ONNX_RUNTIME_GPU).is_file():
        cuda.append("onnxruntime")
    return Machine({"cuda": tuple(cuda), "cpu": installed}, cuda_problem(), problem)


def places(
    engine: Engine | Literal["auto"],
    device: Device | Literal["auto"],
    forms: Collection[str],
    machine: Machine,
    *,
    cpu_fallback: bool = False,
) -> list[Place]:
    """All engines of one device that suit the settings and read one of the forms; never none.

    `forms`: suffixes of the model's files. `auto` prefers a GPU that can be used; `cpu_fallback`:
    without one it is content with the CPU. Raises UserError that says what is missing.
    """
    if (lost := lost_gpu(engine, device, machine)) and not cpu_fallback:
        raise UserError(
            f"infer.device: an engine for a GPU is installed, but no device can be used: {lost};"
            " mend that, or say `device: cpu`, or `cpu_fallback: true` to run without it"
        )
    if device == "cuda" and machine.cuda_problem:
        raise UserError(f"infer.device: no CUDA device can be used: {machine.cuda_problem}")
    for one in (devices := _devices(device, machine)):
        able = [
            Place(name, one)
            for name in machine.engines[one]
            if engine in (name, "auto") and set(READS[name]) & set(forms)
        ]
        if able:
            return able
    raise UserError(_why_not(engine, devices[-1], forms, machine))


def lost_gpu(
    engine: Engine | Literal["auto"], device: Device | Literal["auto"], machine: Machine
) -> str:
    """Why a GPU that an installed engine is for can't be used; empty: it can, or none is meant.

    Engines for a GPU are installed only where there should be one: to infer on the CPU instead,
    much slower, is nothing to do unasked.
    """
    meant = [name for name in machine.engines["cuda"] if engine in (name, "auto")]
    return machine.cuda_problem if device == "auto" and meant else ""


def open_backend(place: Place, weights: Path, options: EngineOptions) -> Backend:
    """Load the weights. Raises UserError if the engine can't use them."""
    # Imported here: only one of them need be installed.
    if place.engine == "openvino":
        from inference_worker.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(weights, options)
    if place.engine == "tensorrt":
        with loading_tensorrt():
            from inference_worker.backends.tensorrt.backend import TensorRtBackend

        return TensorRtBackend(weights, options)
    from inference_worker.backends.onnxruntime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(weights, options, place.device)


def _devices(device: Device | Literal["auto"], machine: Machine) -> list[Device]:
    if device != "auto":
        return [device]
    return ["cpu"] if machine.cuda_problem else ["cuda", "cpu"]


def _why_not(
    engine: Engine | Literal["auto"], device: Device, forms: Collection[str], machine: Machine
) -> str:
    install = f"pip install 'onehertz[{_EXTRAS[device]}]'"
    if engine in _ENGINES["cuda"] and engine not in _ENGINES["cpu"] and machine.cuda_problem:
        return (
            f"infer.backend: {engine} runs on a GPU alone, and no CUDA device can be used:"
            f" {machine.cuda_problem}; `backend: auto` takes what there is for the CPU"
        )
    if engine != "auto" and engine not in _ENGINES[device]:
        return f"infer.backend: {engine} does not run on {device}; use `backend: auto`"
    if engine != "auto" and engine in machine.engines[device]:
        reads = ", ".join(READS[engine])
        return f"infer.backend: {engine} reads {reads}, the model has {', '.join(sorted(forms))}"
    if engine == "tensorrt" and machine.tensorrt_problem:
        return f"infer.backend: tensorrt can't be used: {machine.tensorrt_problem}"
    if engine != "auto":
        return f"infer.backend: {engine} for {device} is not installed: {install}"
    return f"no inference engine for {', '.join(sorted(forms))} on {device} is installed: {install}"
