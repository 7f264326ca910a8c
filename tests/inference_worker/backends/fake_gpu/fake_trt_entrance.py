"""What the fakes of TensorRT's builder and runtime do first."""

from __future__ import annotations

from tests.inference_worker.backends.fake_gpu.fake_trt_types import ILogger, Severity, checked
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu, gpu

OLDEST_DRIVER = 12000
# As TensorRT 11.2.1 says it.
_FAILURE = "Error Code 6: API Usage Error (CUDA initialization failure with "


def opened(logger: ILogger, *, null: bool = True) -> tuple[FakeGpu, bool]:
    """What Builder and Runtime do first; whether it can be used.

    `null`: where it can't there is none. Raises TypeError then, pybind11's for a null pointer.
    """
    checked(logger, ILogger)
    machine = gpu()
    reason = ""
    if machine.driver is None or machine.devices == 0:
        reason = f"{_FAILURE}error: 100 In checkCudaInstallation at /_src/runtime.cpp:840)"
    elif machine.driver < OLDEST_DRIVER:
        reason = f"{_FAILURE}error: 35 In checkCudaInstallation at /_src/runtime.cpp:840)"
    elif machine.broken:
        reason = f"CUDA error {machine.broken}"
    if reason:
        logger.log(Severity.ERROR, reason)
        if null:
            raise TypeError("pybind11::init(): factory function returned nullptr")
        return machine, False
    current(machine, "TensorRT is opened")
    return machine, True


def current(machine: FakeGpu, what: str) -> None:
    if machine.contexts.current() is None:
        machine.note(f"{what} in a thread without a context: CUDA would make device 0's current")
