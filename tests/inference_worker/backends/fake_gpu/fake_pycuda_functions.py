"""Fake of PyCUDA's functions: versions, memory, copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tests.inference_worker.backends.fake_gpu.errors import cuda_error
from tests.inference_worker.backends.fake_gpu.fake_pycuda_memory import (
    DeviceAllocation,
    PagelockedHostAllocation,
)
from tests.inference_worker.backends.fake_gpu.fake_pycuda_streams import Stream
from tests.inference_worker.backends.fake_gpu.host import UNREAD, Pinned
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu, gpu
from tests.inference_worker.backends.fake_gpu.memory import Bytes, IllegalAddressError

_COMPILED_FOR = (12, 9, 0)


def init(flags: int = 0) -> None:
    if gpu().devices == 0:
        raise cuda_error("cuInit", "NO_DEVICE")
    gpu().initialised = True
    gpu().call("cuInit", context=False)


def get_version() -> tuple[int, int, int]:
    return _COMPILED_FOR


def get_driver_version() -> int:
    return gpu().driver or 0  # asked for before `init` too


def mem_get_info() -> tuple[int, int]:
    gpu().call("cuMemGetInfo")
    return gpu().memory.total - gpu().memory.used, gpu().memory.total


def mem_alloc(size: int) -> DeviceAllocation:
    return DeviceAllocation(size)


def pagelocked_empty(
    shape: int | Sequence[int], dtype: Any, order: str = "C", mem_flags: int = 0
) -> NDArray[Any]:
    if isinstance(shape, np.integer):
        raise AttributeError(f"{type(shape).__name__!r} object has no attribute '__iter__'")
    whole = (shape,) if isinstance(shape, int) else tuple(map(int, shape))
    if 0 in whole:
        raise cuda_error("cuMemHostAlloc", "INVALID_VALUE")
    return np.asarray(PagelockedHostAllocation(whole, np.dtype(dtype)))


def memcpy_htod_async(dest: Any, src: Any, stream: Stream | None = None) -> None:
    machine, target, size = gpu(), _address(dest), _bytes(src).size
    with machine.lock:
        machine.call("cuMemcpyHtoDAsync")
        pinned, start = _pinned(machine, _bytes(src), "memcpy_htod_async")
        _on_device(machine, "cuMemcpyHtoDAsync", target, size)
        source = pinned.data[start - pinned.start :][:size]
        was = crc32(source)

        def run() -> None:
            if pinned.alive and crc32(source) != was:
                machine.note("pinned memory was written to before its copy to the device ran")
            machine.view(target, size)[:] = source

        ranges = {"reads": ((start, start + size),), "writes": ((target, target + size),)}
        machine.enqueue("copy to the device", stream_handle(machine, stream), run, **ranges)


def memcpy_dtoh_async(dest: Any, src: Any, stream: Stream | None = None) -> None:
    machine, source, size = gpu(), _address(src), _bytes(dest).size
    with machine.lock:
        machine.call("cuMemcpyDtoHAsync")
        if not isinstance(dest, np.ndarray) and memoryview(dest).readonly:
            raise BufferError("Object is not writable.")
        if not np.asarray(dest).flags.writeable:
            raise ValueError("buffer source array is read-only")
        pinned, start = _pinned(machine, _bytes(dest), "memcpy_dtoh_async")
        _on_device(machine, "cuMemcpyDtoHAsync", source, size)
        target = pinned.data[start - pinned.start :][:size]
        target[:] = UNREAD  # nobody may count on what is there until the copy is known to be done

        def run() -> None:
            target[:] = machine.view(source, size)

        ranges = {"reads": ((source, source + size),), "writes": ((start, start + size),)}
        machine.enqueue("copy to the host", stream_handle(machine, stream), run, **ranges)


def memcpy_htod(dest: Any, src: Any) -> None:
    machine, data = gpu(), _bytes(src)
    with machine.lock:
        machine.call("cuMemcpyHtoD")
        _at_once(machine, "cuMemcpyHtoD", _address(dest), data.size)[:] = data


def memcpy_dtoh(dest: Any, src: Any) -> None:
    machine, data = gpu(), _bytes(dest)
    with machine.lock:
        machine.call("cuMemcpyDtoH")
        data[:] = _at_once(machine, "cuMemcpyDtoH", _address(src), data.size)


def memset_d8_async(dest: Any, data: int, size: int, stream: Stream | None = None) -> None:
    machine, target = gpu(), _address(dest)
    with machine.lock:
        machine.call("cuMemsetD8Async")
        _on_device(machine, "cuMemsetD8Async", target, size)

        def run() -> None:
            machine.view(target, size)[:] = data

        machine.enqueue(
            "memset", stream_handle(machine, stream), run, writes=((target, target + size),)
        )


def _address(given: Any) -> int:
    """As Boost.Python takes it: numpy's integers are none. Raises TypeError, as its error is."""
    if not isinstance(given, int | DeviceAllocation):
        raise TypeError(f"did not match C++ signature: {type(given).__name__} is no address")
    return int(given)


def _bytes(data: Any) -> Bytes:
    """A host buffer as PyCUDA sees it. Raises ValueError if it has gaps."""
    array = np.asarray(data) if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
    if not array.flags.c_contiguous:
        raise ValueError("ndarray is not contiguous")
    return array.reshape(-1).view(np.uint8)


def _pinned(machine: FakeGpu, data: Bytes, what: str) -> tuple[Pinned, int]:
    """What holds the buffer, and the buffer's address."""
    address = int(data.__array_interface__["data"][0])
    if (pinned := machine.host.find(address, data.size)) is None:
        machine.note(f"{what}: the host's memory is pageable, so the copy is none that overlaps")
    if not pinned.alive:
        machine.note(f"{what}: the pinned memory was freed")
    return pinned, address


def _on_device(machine: FakeGpu, routine: str, address: int, size: int) -> None:
    try:
        machine.view(address, size)
    except IllegalAddressError:
        raise cuda_error(routine, "INVALID_VALUE") from None


def _at_once(machine: FakeGpu, routine: str, address: int, size: int) -> Bytes:
    """Of a copy that waits for nothing but its own end, as far as streams that block go."""
    _on_device(machine, routine, address, size)
    if used := machine.schedule.touching((address, address + size)):
        machine.note(f"{routine} uses memory that {used[0]} uses, and nobody has waited for that")
    return machine.view(address, size)


def stream_handle(machine: FakeGpu, stream: Stream | None) -> int:
    if stream is None:
        machine.note("something is enqueued on the null stream, which waits for all others")
    return stream.handle
