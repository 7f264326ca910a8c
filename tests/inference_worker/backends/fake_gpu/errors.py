"""Errors of the fake: PyCUDA's own, and `Misuse` for what no library would tell."""

from __future__ import annotations

import builtins


class Misuse(AssertionError):
    """Real hardware would go on with wrong numbers, hang, or end the process."""


class Error(Exception):
    __module__ = "pycuda.driver"


class MemoryError(Error):  # noqa: A001 - PyCUDA's name
    __module__ = "pycuda.driver"


class LogicError(Error):
    __module__ = "pycuda.driver"


class RuntimeError(Error):  # noqa: A001 - PyCUDA's name
    __module__ = "pycuda.driver"


class LaunchError(Error):
    __module__ = "pycuda.driver"


# What PyCUDA makes of a result of the driver (translate_cuda_error), and what the driver calls it.
_RESULTS: dict[str, tuple[builtins.type[Error], str]] = {
    "OUT_OF_MEMORY": (MemoryError, "out of memory"),
    "LAUNCH_FAILED": (LaunchError, "unspecified launch failure"),
    "NO_DEVICE": (RuntimeError, "no CUDA-capable device is detected"),
    "NOT_READY": (RuntimeError, "device not ready"),
    "ECC_UNCORRECTABLE": (RuntimeError, "uncorrectable ECC error encountered"),
    "UNKNOWN": (Error, "unknown error"),
    "ILLEGAL_ADDRESS": (LogicError, "an illegal memory access was encountered"),
    "INVALID_CONTEXT": (LogicError, "invalid device context"),
    "INVALID_DEVICE": (LogicError, "invalid device ordinal"),
    "INVALID_HANDLE": (LogicError, "invalid resource handle"),
    "INVALID_IMAGE": (LogicError, "device kernel image is invalid"),
    "INVALID_PTX": (LogicError, "a PTX JIT compilation failed"),
    "INVALID_VALUE": (LogicError, "invalid argument"),
    "NOT_FOUND": (LogicError, "named symbol not found"),
    "NOT_INITIALIZED": (LogicError, "initialization error"),
    "DEVICE_UNAVAILABLE": (LogicError, "CUDA-capable device(s) is/are busy or unavailable"),
    "UNSUPPORTED_PTX_VERSION": (
        LogicError,
        "the provided PTX was compiled with an unsupported toolchain.",
    ),
    "SYSTEM_DRIVER_MISMATCH": (
        LogicError,
        "system has unsupported display driver / cuda driver combination",
    ),
}


def cuda_error(routine: str, result: str) -> Error:
    """As PyCUDA raises it: `cuMemAlloc failed: out of memory`."""
    kind, text = _RESULTS[result]
    return kind(f"{routine} failed: {text}")
