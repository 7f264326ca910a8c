"""What we call of PyCUDA 2026.1, which ships no types.

Names and signatures are those of its src/wrapper/wrap_cudadrv.cpp and pycuda/driver.py.
Everything but `init`, the versions and `Device` needs a context that is current in the calling
thread, or raises LogicError. What was made under a context must be freed where that same `Context`
object is current (or by the thread that made it): elsewhere PyCUDA warns (UserWarning), and leaks.
"""

from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

_Scalar = TypeVar("_Scalar", bound=np.generic)
# numpy's types call its arrays buffers only from Python 3.12 on.
_Host = Buffer | NDArray[Any]

class Error(Exception): ...
class MemoryError(Error): ...
class LogicError(Error): ...
class RuntimeError(Error): ...
class LaunchError(Error): ...

def init(flags: int = 0) -> None: ...
def get_version() -> tuple[int, int, int]:
    """Of CUDA as PyCUDA was compiled for: (12, 6, 0)."""

def get_driver_version() -> int:
    """The newest CUDA that the driver knows: 12060."""

class Device:
    @overload
    def __init__(self, number: int) -> None: ...
    @overload
    def __init__(self, pci_bus_id: str) -> None: ...
    @staticmethod
    def count() -> int: ...
    def name(self) -> str: ...
    def pci_bus_id(self) -> str: ...
    def compute_capability(self) -> tuple[int, int]: ...
    def total_memory(self) -> int: ...
    def retain_primary_context(self) -> Context:
        """The one that CUDA's runtime, and so TensorRT, uses. It isn't made current."""

class Context:
    def push(self) -> None: ...
    @staticmethod
    def pop() -> None: ...
    @staticmethod
    def get_current() -> Context | None:
        """Takes those that were detached off the stack, too."""
    @staticmethod
    def get_device() -> Device: ...
    def detach(self) -> None: ...

def mem_get_info() -> tuple[int, int]:
    """Free and total bytes of the device."""

class DeviceAllocation:
    def __int__(self) -> int: ...
    def __index__(self) -> int: ...
    def free(self) -> None: ...

def mem_alloc(bytes: int) -> DeviceAllocation:
    """Raises MemoryError."""

_Address = int | DeviceAllocation

class PagelockedHostAllocation:
    """`.base` of what `pagelocked_empty` gives."""

    def free(self) -> None: ...

@overload
def pagelocked_empty(
    shape: int | Sequence[int],
    dtype: type[_Scalar] | np.dtype[_Scalar],
    order: str = "C",
    mem_flags: int = 0,
) -> NDArray[_Scalar]: ...
@overload
def pagelocked_empty(
    shape: int | Sequence[int], dtype: str, order: str = "C", mem_flags: int = 0
) -> NDArray[Any]: ...

class event_flags:
    DEFAULT: int
    BLOCKING_SYNC: int
    DISABLE_TIMING: int

class Stream:
    def __init__(self, flags: int = 0) -> None:
        """flags: 1 is CU_STREAM_NON_BLOCKING, which doesn't wait for the null stream."""
    @property
    def handle(self) -> int: ...
    def synchronize(self) -> None: ...
    def is_done(self) -> bool: ...
    def wait_for_event(self, evt: Event) -> None: ...

class Event:
    def __init__(self, flags: int = 0) -> None: ...
    def record(self, stream: Stream | None = None) -> Self: ...
    def synchronize(self) -> Self: ...
    def query(self) -> bool: ...
    def time_since(self, start: Event) -> float: ...
    def time_till(self, end: Event) -> float:
        """Milliseconds."""

# They keep no reference to the host's buffer: it must outlive the copy.
def memcpy_htod(dest: _Address, src: _Host) -> None: ...
def memcpy_dtoh(dest: _Host, src: _Address) -> None: ...
def memcpy_htod_async(dest: _Address, src: _Host, stream: Stream | None = None) -> None: ...
def memcpy_dtoh_async(dest: _Host, src: _Address, stream: Stream | None = None) -> None: ...
def memset_d8_async(dest: _Address, data: int, size: int, stream: Stream | None = None) -> None: ...

class Module:
    def get_function(self, name: str) -> Function: ...

def module_from_buffer(
    buffer: Buffer,
    options: Sequence[tuple[int, int]] = ...,
    message_handler: Callable[[bool, str, str], None] | None = None,
) -> Module: ...

class Function:
    def prepare(
        self, arg_types: Sequence[str | type[np.number[Any]] | np.dtype[Any]]
    ) -> Function: ...
    def prepared_async_call(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        stream: Stream | None,
        *args: Any,
        shared_size: int = 0,
    ) -> None: ...
