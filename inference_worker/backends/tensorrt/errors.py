"""What the user is told when the device, its libraries or a model can't be used.

PyCUDA and TensorRT say what is wrong in their own words, by number or by text. Here those become
what to do about it.
"""

from __future__ import annotations

import re

from runtime.errors import UserError


class OutOfMemory(Exception):
    """The device has no room for what was asked; what runs already goes on."""


def is_out_of_memory(text: str) -> bool:
    """Of an error of CUDA, PyCUDA or TensorRT."""
    return bool(re.search(r"out[ _]?of[ _]?memory|cudaErrorMemoryAllocation|bad_alloc", text, re.I))


def device_error(text: str, driver: str) -> UserError:
    """For what CUDA says as the device is opened. `driver`: the newest CUDA that it knows."""
    lowered = text.lower()
    if "driver combination" in lowered:  # "unsupported", but of two parts of one driver
        why = (
            "parts of the NVIDIA driver are of different versions, as after an update: restart the"
            " machine, or the container"
        )
    elif "forward compatibility" in lowered:
        why = (
            "the libcuda of a newer CUDA is in the way (`cuda-compat`, in a container), which this"
            " GPU doesn't take: update the driver, or leave that package out"
        )
    elif "insufficient for" in lowered or "error: 35" in lowered or "unsupported" in lowered:
        why = (
            f"the NVIDIA driver knows CUDA up to {driver}, the installed TensorRT or PyCUDA was"
            " made for a newer one: update the driver, or install their packages for an older CUDA"
        )
    elif "busy or unavailable" in lowered or "devicesunavailable" in lowered:
        why = (
            "the GPU is taken by another process (exclusive mode): stop that, or allow several by"
            " `nvidia-smi --compute-mode=DEFAULT`"
        )
    elif is_out_of_memory(text) or re.search(r"error:? 2\b", lowered):
        why = "the GPU has no memory left: `nvidia-smi` shows which processes hold it"
    elif "no cuda-capable device" in lowered or re.search(r"error:? 100\b", lowered):
        why = "the NVIDIA driver sees no device"
    else:
        why = "the GPU can't be used"
    return UserError(f"infer.device: {why} ({text})")
