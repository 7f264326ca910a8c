"""The machine that a run is on, and why there can be none."""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec

from benchmarks.gpu.findings import Host
from inference_worker.backends.cuda import cuda_problem
from inference_worker.metering.nvml import Gpu
from runtime.errors import UserError


def problem() -> str:
    """Why nothing can be tried on this machine; empty: it can."""
    for package in ("tensorrt", "pycuda"):
        if find_spec(package) is None:
            return f"the package {package} is not installed (docs/gpu.md, Installing)"
    return cuda_problem()


def metered() -> Gpu | None:
    """The GPU by NVML; None where that is missing, as on a Jetson."""
    try:
        return Gpu()
    except UserError:
        return None


def this_host(*, is_fake: bool = False) -> Host:
    """Raises UserError where the device can't be used."""
    import tensorrt  # not there on most machines

    from inference_worker.backends.tensorrt.device import Device, driver_version

    device, nvml = Device(), metered()
    try:
        return Host(
            machine=f"{platform.machine()}, {os.cpu_count()} cores,"
            f" Python {platform.python_version()}",
            gpu=device.gpu.name,
            compute_capability=device.gpu.compute_capability,
            driver=nvml.driver if nvml else "",
            cuda=driver_version(),
            tensorrt=tensorrt.__version__,
            is_fake=is_fake,
        )
    finally:
        device.close()
        if nvml:
            nvml.close()
