"""One GPU as NVIDIA's management library sees it."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from typing import Any

from runtime.errors import UserError

# Names of pynvml that are called here; the tests' fake has no others.
USED = (
    "NVMLError",
    "nvmlInit",
    "nvmlShutdown",
    "nvmlDeviceGetHandleByIndex",
    "nvmlDeviceGetHandleByUUID",
    "nvmlDeviceGetName",
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceGetUtilizationRates",
    "nvmlDeviceGetMemoryInfo",
    "nvmlSystemGetDriverVersion",
    "nvmlSystemGetCudaDriverVersion",
)
_VISIBLE = "CUDA_VISIBLE_DEVICES"


class Gpu:
    """The GPU that this process infers on. What it does not tell is None (Jetson: most of it)."""

    def __init__(self, library: Any = None) -> None:
        """`library`: pynvml, or what stands for it in tests.

        Raises UserError where the package or NVML is missing, or it sees no GPU.
        """
        self._nvml = library or _package()
        try:
            self._nvml.nvmlInit()
            self._handle = _handle(self._nvml, os.environ.get(_VISIBLE, ""))
            self.name = str(self._nvml.nvmlDeviceGetName(self._handle))
            self.driver = str(self._nvml.nvmlSystemGetDriverVersion())
            cuda = self._nvml.nvmlSystemGetCudaDriverVersion()
        except self._nvml.NVMLError as error:
            raise UserError(
                f"NVML can't be used ({error}): no GPU can be metered; `nvidia-smi` must work here"
                " (in a container: NVIDIA's container toolkit, capability `utility`)"
            ) from error
        self.cuda = f"{cuda // 1000}.{cuda % 1000 // 10}"  # that the driver knows at most

    def close(self) -> None:
        with suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()

    def watts(self) -> float | None:
        """What the whole board takes now."""
        milliwatts = self._asked("nvmlDeviceGetPowerUsage")
        return None if milliwatts is None else float(milliwatts) / 1000

    def joules(self) -> float | None:
        """Since the driver was loaded; GPUs before Volta have no such counter."""
        millijoules = self._asked("nvmlDeviceGetTotalEnergyConsumption")
        return None if millijoules is None else float(millijoules) / 1000

    def utilisation(self) -> float | None:
        """Share of the last second or less in which a kernel ran."""
        rates = self._asked("nvmlDeviceGetUtilizationRates")
        return None if rates is None else float(rates.gpu) / 100

    def used_bytes(self) -> int | None:
        """Of the GPU's memory, by all processes."""
        memory = self._asked("nvmlDeviceGetMemoryInfo")
        return None if memory is None else int(memory.used)

    def _asked(self, name: str) -> Any:
        try:
            return getattr(self._nvml, name)(self._handle)
        except self._nvml.NVMLError:  # not supported by this GPU
            return None


def _package() -> Any:
    try:
        return import_module("pynvml")
    except ModuleNotFoundError:
        raise UserError(
            "no GPU can be metered without the package nvidia-ml-py: pip install nvidia-ml-py"
        ) from None


def _handle(nvml: Any, visible: str) -> Any:
    """Of CUDA's first device. NVML counts all GPUs, CUDA those that it is let see."""
    first = visible.split(",")[0].strip()
    if first and not first.isdecimal():
        return nvml.nvmlDeviceGetHandleByUUID(first)
    return nvml.nvmlDeviceGetHandleByIndex(int(first or 0))
