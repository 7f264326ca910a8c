"""Whether there is a device for CUDA, and TensorRT, without importing either.

The driver itself is asked: to import TensorRT takes a second and hundreds of MB.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Final

from runtime.errors import UserError

DRIVER = "libcuda.so.1"
# As which TensorRT is published; JetPack's own is the first.
TENSORRT_PACKAGES: Final = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")
OLDEST_TENSORRT, NEWEST_TENSORRT = 10, 11  # the calls used are those of 10.3 to 11.2
_INSTALL: Final = "docs/gpu.md says how both are installed"


@contextmanager
def loading_tensorrt() -> Iterator[None]:
    """Inside, what needs TensorRT and PyCUDA is imported: their libraries may not be there."""
    try:
        yield
    except ImportError as error:
        # So says PyCUDA's library, of what a driver's libcuda lacks.
        old = "undefined symbol: cu" in str(error)
        why = "; the NVIDIA driver is older than the CUDA that PyCUDA was made for" if old else ""
        raise UserError(
            f"infer.backend: tensorrt is installed, and can't be loaded: {error}{why}; {_INSTALL}"
        ) from error


def cuda_problem(load: Callable[[str], Any] = ctypes.CDLL) -> str:
    """Why no CUDA device can be used, in words; empty where one can."""
    try:
        driver = load(DRIVER)
    except OSError:
        return f"the NVIDIA driver ({DRIVER}) is not there"
    if code := driver.cuInit(0):
        return f"the NVIDIA driver can't be used (cuInit gives {code})"
    count = ctypes.c_int(0)
    if code := driver.cuDeviceGetCount(ctypes.byref(count)):
        return f"the NVIDIA driver can't be used (cuDeviceGetCount gives {code})"
    return "" if count.value else "the NVIDIA driver sees no device"


def gpu_name(load: Callable[[str], Any] = ctypes.CDLL) -> str:
    """Of the first device, with its driver's CUDA: what a measurement depends on; empty: none."""
    if cuda_problem(load):
        return ""
    driver = load(DRIVER)
    device, name, newest = ctypes.c_int(0), ctypes.create_string_buffer(128), ctypes.c_int(0)
    driver.cuDeviceGet(ctypes.byref(device), 0)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDriverGetVersion(ctypes.byref(newest))
    return f"{name.value.decode(errors='replace')}, CUDA {newest.value}"


def tensorrt_version() -> str:
    """As it is installed; empty where it isn't, or doesn't say."""
    for package in TENSORRT_PACKAGES:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""


def tensorrt_problem(
    found: Callable[[str], bool] = lambda package: find_spec(package) is not None,
    installed: Callable[[], str] = tensorrt_version,
) -> str:
    """Why TensorRT can't be used, as far as packages tell; empty where it can.

    `found`: whether a package is there. `installed`: TensorRT's version.
    """
    for there, absent in (("tensorrt", "pycuda"), ("pycuda", "tensorrt")):
        if found(there) and not found(absent):
            return f"the package {there} is installed, but not {absent}; {_INSTALL}"
    if not found("tensorrt"):
        return f"the packages tensorrt and pycuda are not installed; {_INSTALL}"
    number = installed()
    major = number.partition(".")[0]
    if major.isdigit() and not OLDEST_TENSORRT <= int(major) <= NEWEST_TENSORRT:
        return (
            f"TensorRT {number} is installed, {OLDEST_TENSORRT} or {NEWEST_TENSORRT} is needed;"
            f" {_INSTALL}"
        )
    return ""
