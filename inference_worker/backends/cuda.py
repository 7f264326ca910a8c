"""Whether there is a device for CUDA, asked of the driver itself: no package of CUDA is needed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

DRIVER = "libcuda.so.1"


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
