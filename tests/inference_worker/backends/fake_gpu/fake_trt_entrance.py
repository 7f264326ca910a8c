"""What the fakes of TensorRT's builder and runtime do first."""

from __future__ import annotations

from tests.inference_worker.backends.fake_gpu.fake_trt_types import ILogger, Severity, checked
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu, gpu

OLDEST_DRIVER = 12000


def opened(logger: ILogger) -> FakeGpu:
    """What Builder and Runtime do first. Raises TypeError, pybind11's for a null pointer."""
    checked(logger, ILogger)
    machine = gpu()
    reason = ""
    if machine.driver is None or machine.devices == 0:
        reason = "CUDA initialization failure with error: 100"
    elif machine.driver < OLDEST_DRIVER:
        reason = "CUDA initialization failure with error: 35"
    elif machine.broken:
        reason = f"CUDA error {machine.broken}"
    if reason:
        logger.log(Severity.ERROR, reason)
        raise TypeError("pybind11::init(): factory function returned nullptr")
    current(machine, "TensorRT is opened")
    return machine


def current(machine: FakeGpu, what: str) -> None:
    if machine.contexts.current() is None:
        machine.note(f"{what} in a thread without a context: CUDA would make device 0's current")
