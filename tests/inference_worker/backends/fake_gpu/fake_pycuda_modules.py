"""Fake of PyCUDA's modules and kernels."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.inference_worker.backends.fake_gpu.errors import cuda_error
from tests.inference_worker.backends.fake_gpu.fake_pycuda_functions import stream_handle
from tests.inference_worker.backends.fake_gpu.fake_pycuda_memory import Dependent
from tests.inference_worker.backends.fake_gpu.fake_pycuda_streams import Stream
from tests.inference_worker.backends.fake_gpu.kernels import Kernel
from tests.inference_worker.backends.fake_gpu.machine import gpu


class Function:
    def __init__(self, name: str) -> None:
        self._kernel = Kernel(name)
        self._format = ""

    def prepare(self, arg_types: Sequence[Any]) -> Function:
        self._format = "".join(map(_packed, arg_types))
        return self

    def prepared_async_call(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        stream: Stream | None,
        *args: Any,
        shared_size: int = 0,
    ) -> None:
        machine = gpu()
        with machine.lock:
            machine.call("cuLaunchKernel")
            if not self._format:
                machine.note("a kernel is launched that was not prepared")
            packed = struct.pack(self._format, *args)
            if not all(
                type(one) is tuple and set(map(type, one)) == {int} for one in (grid, block)
            ):
                raise TypeError("did not match C++ signature: grid and block are tuples of int")
            if not all(side >= 1 for side in (*grid, *block)) or np.prod(block) > 1024:
                raise cuda_error("cuLaunchKernel", "INVALID_VALUE")
            run, reads, writes = self._kernel.launched(machine, grid, block, packed)
            machine.enqueue(
                "kernel", stream_handle(machine, stream), run, reads=reads, writes=writes
            )


class Module(Dependent):
    def __init__(self, entries: set[str]) -> None:
        super().__init__("cuModuleLoadDataEx")
        self._entries = entries
        self._handle = self._gpu.handle("module")

    def get_function(self, name: str) -> Function:
        gpu().call("cuModuleGetFunction")
        if name not in self._entries:
            raise cuda_error("cuModuleGetFunction", "NOT_FOUND")
        return Function(name)

    def __del__(self) -> None:
        if hasattr(self, "_handle") and self._may_free(self._gpu.misuse.append):
            self._gpu.objects.pop(self._handle, None)


def module_from_buffer(
    buffer: bytes,
    options: Sequence[tuple[int, int]] = (),
    message_handler: Callable[[bool, str, str], None] | None = None,
) -> Module:
    """Reads off a cubin or PTX what it was made for, and what it holds."""
    machine, data = gpu(), bytes(buffer)
    if data.startswith(b"\x7fELF"):
        return Module({name.decode() for name in re.findall(rb"\.text\.(\w+)", data)})
    text = data.decode("utf-8", "replace")
    version = re.search(r"^\.version (\d+)\.", text, re.M)
    target = re.search(r"^\.target (?:sm|compute)_(\d+)", text, re.M)
    if version is None or target is None:
        raise cuda_error("cuModuleLoadDataEx", "INVALID_IMAGE")
    if int(version[1]) + 4 > (machine.driver or 0) // 1000:  # 8.x came with CUDA 12, 9.x with 13
        raise cuda_error("cuModuleLoadDataEx", "UNSUPPORTED_PTX_VERSION")
    if int(target[1]) > int("".join(map(str, machine.compute_capability))):
        raise cuda_error("cuModuleLoadDataEx", "INVALID_PTX")
    return Module(set(re.findall(r"\.entry (\w+)", text)))


def _packed(kind: Any) -> str:
    """How an argument lies in memory, in the letters of `struct`."""
    if isinstance(kind, str):
        return kind
    dtype = np.dtype(kind)
    return f"{dtype.itemsize}s" if dtype.char == "V" else dtype.char
