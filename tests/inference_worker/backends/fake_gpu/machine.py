"""The simulated machine: one GPU, a driver, and a version of TensorRT."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from tests.inference_worker.backends.fake_gpu.contexts import ContextStacks
from tests.inference_worker.backends.fake_gpu.errors import Misuse, cuda_error
from tests.inference_worker.backends.fake_gpu.host import HostMemory
from tests.inference_worker.backends.fake_gpu.memory import (
    Allocation,
    Bytes,
    IllegalAddressError,
    Memory,
    OutOfMemoryError,
)
from tests.inference_worker.backends.fake_gpu.schedule import Operation, Policy, Range, Schedule

MIB = 1 << 20
# Some of what onnx-tensorrt 10.1's docs/operators.md says that it doesn't take.
UNSUPPORTED = frozenset(
    ("Compress", "Det", "MaxUnpool", "Multinomial", "TfIdfVectorizer", "Unique")
)


@dataclass
class FakeGpu:
    """What there is, and what is to go wrong. May be changed while it is in use."""

    tensorrt: str = "10.3.0"
    name: str = "Fake GPU"
    compute_capability: tuple[int, int] = (8, 9)
    memory_bytes: int = 256 * MIB
    pinned_bytes: int = 256 * MIB
    devices: int = 1
    driver: int | None = 13000  # None: there is none
    busy: bool = False  # another process has it to itself
    policy: Policy = "late"
    seed: int = 0
    unsupported: frozenset[str] = UNSUPPORTED
    build_bytes: int = MIB  # what a build needs of the device's memory
    checks_shapes_at_build: bool = False  # and not when a batch has a shape that fails
    # Called before a thread waits for an event, so that a test can have two wait at once.
    before_wait: Callable[[], object] = lambda: None
    # Routine, or "execute" or "kernel" → the driver's result, when it is called or runs next.
    fails: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.memory = Memory(self.memory_bytes)
        self.host = HostMemory(self.pinned_bytes)
        self.schedule = Schedule(self.policy, self.seed, self.note)
        self.contexts = ContextStacks()
        self.initialised = False
        self.misuse: list[str] = []
        self.broken: str | None = None  # CUDA's errors on the device stay: every call gives it
        self.objects: dict[int, str] = {}  # streams, events, contexts that are alive
        self.polled: set[int] = set()
        self.builds = 0  # engines that were built
        self.workspace_bytes = 0  # that the last build was let take
        self.timings = b""  # that the last build began with
        self._handles = 0x5_0000

    def note(self, text: str) -> NoReturn:
        """Raises Misuse, and keeps it for whoever swallows that."""
        self.misuse.append(text)
        raise Misuse(text)

    def call(self, routine: str, *, context: bool = True) -> None:
        """What every call does first. Raises PyCUDA's errors."""
        if self.broken:
            raise cuda_error(routine, self.broken)
        if not self.initialised:
            raise cuda_error(routine, "NOT_INITIALIZED")
        if context and self.contexts.current() is None:
            raise cuda_error(routine, "INVALID_CONTEXT")
        if result := self.fails.pop(routine, None):
            raise cuda_error(routine, result)

    def settle(self, routine: str) -> None:
        """After the host has waited: what went wrong meanwhile is said now."""
        if self.broken:
            raise cuda_error(routine, self.broken)

    def handle(self, kind: str) -> int:
        self._handles += 0x10
        self.objects[self._handles] = kind
        return self._handles

    def allocate(self, size: int, owner: str, routine: str) -> Allocation:
        """Raises PyCUDA's MemoryError."""
        try:
            return self.memory.allocate(size, owner)
        except OutOfMemoryError:
            raise cuda_error(routine, "OUT_OF_MEMORY") from None

    def free(self, allocation: Allocation, tell: Callable[[str], object]) -> None:
        address = allocation.address
        used = self.schedule.touching((address, address + allocation.data.size))
        self.memory.free(allocation)
        if used and not self.broken:
            tell(f"{allocation.owner} was freed, and nobody has waited for {used[0]}")

    def enqueue(
        self,
        what: str,
        stream: int,
        run: Callable[[], None],
        *,
        reads: tuple[Range, ...] = (),
        writes: tuple[Range, ...] = (),
        user: object | None = None,
    ) -> Operation:
        if self.objects.get(stream) != "stream":
            self.note(f"{what} on {stream:#x}, which is no stream of ours (any more)")
        guarded = self._guarded(what, run)
        return self.schedule.enqueue(Operation(what, stream, guarded, reads, writes, user))

    def view(self, address: int, size: int) -> Bytes:
        """Device memory as an operation that runs sees it. Raises IllegalAddressError."""
        return self.memory.view(address, size)

    def _guarded(self, what: str, run: Callable[[], None]) -> Callable[[], None]:
        """After a fault nothing runs any more."""

        def guarded() -> None:
            if self.broken:
                return
            if result := self.fails.pop(what, None):
                self.broken = result
                return
            try:
                run()
            except IllegalAddressError as error:
                self.broken = "ILLEGAL_ADDRESS"
                self.misuse.append(f"{what}: {error}")

        return guarded

    def leaks(self) -> list[str]:
        """What a backend that was closed should have given back, and what it never waited for."""
        left = [f"{one.data.size} bytes of the device: {one.owner}" for one in self.memory.alive()]
        left += [f"{one.data.size} bytes of pinned memory" for one in self.host.alive()]
        left += sorted(self.objects.values())
        left += [f"nobody waited for {operation}" for operation in self.schedule.pending()]
        return left + self.contexts.left_behind()


_installed: list[FakeGpu] = []


def gpu() -> FakeGpu:
    """The machine that is simulated now."""
    assert _installed, "the fake pair is used, and no fake GPU is there: use the fixture"
    return _installed[-1]


def set_gpu(machine: FakeGpu | None) -> None:
    _installed[:] = [] if machine is None else [machine]
