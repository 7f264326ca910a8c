"""Fake of PyCUDA's device and context."""

from __future__ import annotations

import threading

from tests.inference_worker.backends.fake_gpu.errors import cuda_error
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu, gpu


class Context:
    def __init__(self, machine: FakeGpu) -> None:
        self._gpu = machine
        self.valid = True
        self.thread = threading.current_thread()
        self._handle = machine.handle("primary context")

    def push(self) -> None:
        self._gpu.call("cuCtxPushCurrent", context=False)
        if not self.valid:
            raise cuda_error("cuCtxPushCurrent", "INVALID_CONTEXT")
        self._gpu.contexts.push(self)

    @staticmethod
    def pop() -> None:
        if gpu().broken and gpu().contexts.current() is not None:
            raise cuda_error("cuCtxPopCurrent", str(gpu().broken))  # and it stays on the stack
        if not gpu().contexts.pop():
            raise cuda_error("context::pop", "INVALID_CONTEXT")

    @staticmethod
    def get_current() -> Context | None:
        found = gpu().contexts.current()
        return found if isinstance(found, Context) else None

    @staticmethod
    def get_device() -> Device:
        gpu().call("cuCtxGetDevice")
        return Device(0)

    def detach(self) -> None:
        if not self.valid:
            raise cuda_error("context::detach", "INVALID_CONTEXT")
        active = self._gpu.contexts.current() is self
        self.valid = False
        # PyCUDA releases it only here: from elsewhere it takes it for dead, and leaks it.
        if active or threading.current_thread() is self.thread:
            self._gpu.objects.pop(self._handle, None)
        if active:
            self._gpu.contexts.current()  # which takes it off the stack


class Device:
    def __init__(self, number: int | str) -> None:
        gpu().call("cuDeviceGet", context=False)
        if isinstance(number, str) or not 0 <= number < gpu().devices:
            raise cuda_error("cuDeviceGet", "INVALID_DEVICE")

    @staticmethod
    def count() -> int:
        gpu().call("cuDeviceGetCount", context=False)
        return gpu().devices

    def name(self) -> str:
        return gpu().name

    def pci_bus_id(self) -> str:
        return "0000:00:1E.0"

    def compute_capability(self) -> tuple[int, int]:
        return gpu().compute_capability

    def total_memory(self) -> int:
        return gpu().memory.total

    def retain_primary_context(self) -> Context:
        gpu().call("cuDevicePrimaryCtxRetain", context=False)
        if gpu().busy:
            raise cuda_error("cuDevicePrimaryCtxRetain", "DEVICE_UNAVAILABLE")
        return Context(gpu())
