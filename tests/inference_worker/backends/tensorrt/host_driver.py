"""As much of `pycuda.driver` as letterbox.py calls; its kernels run at once, on the host.

Not the fake pair of the backend's tests, whose GPU is as late as it may be: here it is the numbers
that count.
"""

from __future__ import annotations

import importlib
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from inference_worker.backends import tensorrt
from tests.inference_worker.backends.cuda_shim import HostKernels

LETTERBOX = "inference_worker.backends.tensorrt.letterbox"


class HostFunction:
    def __init__(self, kernels: HostKernels, name: str) -> None:
        self._kernels = kernels
        self._name = name
        self.launches = 0

    def prepare(self, arg_types: str) -> HostFunction:
        self._format = arg_types
        return self

    def prepared_async_call(
        self, grid: Sequence[int], block: Sequence[int], stream: object, *arguments: float
    ) -> None:
        self.launches += 1
        packed = struct.pack(self._format, *arguments)
        self._kernels.launch(self._name, grid, block, packed)


class HostModule:
    def __init__(self, kernels: HostKernels) -> None:
        self._kernels = kernels

    def get_function(self, name: str) -> HostFunction:
        return HostFunction(self._kernels, name)


class HostDevice:
    def compute_capability(self) -> tuple[int, int]:
        return (8, 7)


class HostContext:
    @staticmethod
    def get_device() -> HostDevice:
        return HostDevice()


class HostError(Exception):
    pass


def host_driver(kernels: HostKernels) -> Any:
    """`refuses`: what `module_from_buffer` says, if it is to fail; `loaded`: what it was given."""
    driver: Any = ModuleType("pycuda.driver")
    driver.Error = HostError
    driver.Context = HostContext
    driver.Module = HostModule
    driver.refuses = ""
    driver.loaded = []

    def module_from_buffer(buffer: bytes) -> HostModule:
        if driver.refuses:
            raise HostError(driver.refuses)
        driver.loaded.append(buffer)
        return HostModule(kernels)

    driver.module_from_buffer = module_from_buffer
    driver.get_driver_version = lambda: 13050
    return driver


@contextmanager
def letterbox_on_the_host(folder: Path) -> Iterator[tuple[Any, Any]]:
    """letterbox.py with such a driver, and that driver; afterwards all is as before."""
    package: Any = ModuleType("pycuda")
    package.driver = host_driver(HostKernels(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pycuda", package)
        patch.setitem(sys.modules, "pycuda.driver", package.driver)
        # An import leaves the module in two places, in which another one may be already.
        patch.setitem(sys.modules, LETTERBOX, ModuleType(LETTERBOX))
        patch.setattr(tensorrt, "letterbox", None, raising=False)
        del sys.modules[LETTERBOX]
        yield importlib.import_module(LETTERBOX), package.driver
