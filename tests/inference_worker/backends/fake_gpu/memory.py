"""Simulated device memory. An address is never used twice: what is freed is found out for good."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

FRESH = 0xCB  # what a new allocation holds
STALE = 0xDD  # what a freed one held
_FIRST = 0xD_0000_0000  # no pointer of this process is that small
_ALIGNMENT = 512
_GUARD = 4096  # addresses between two allocations that belong to neither


class IllegalAddressError(Exception):
    """A device address that nothing, or something else, lies at."""


class OutOfMemoryError(Exception):
    pass


@dataclass
class Allocation:
    address: int
    data: Bytes
    owner: str
    alive: bool = True


class Memory:
    """Device memory of `total` bytes."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self.peak = 0
        self._starts: list[int] = []
        self._all: list[Allocation] = []
        self._next = _FIRST

    def allocate(self, size: int, owner: str) -> Allocation:
        """Raises OutOfMemoryError."""
        if size <= 0 or self.used + size > self.total:
            raise OutOfMemoryError(f"{size} bytes of {self.total - self.used}")
        allocation = Allocation(self._next, np.full(size, FRESH, dtype=np.uint8), owner)
        self._next += -(-size // _ALIGNMENT) * _ALIGNMENT + _GUARD
        self._starts.append(allocation.address)
        self._all.append(allocation)
        self.used += size
        self.peak = max(self.peak, self.used)
        return allocation

    def free(self, allocation: Allocation) -> None:
        assert allocation.alive
        allocation.alive = False
        allocation.data[:] = STALE
        self.used -= allocation.data.size

    def view(self, address: int, size: int) -> Bytes:
        """The bytes at an address. Raises IllegalAddressError."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            raise IllegalAddressError(f"{address:#x} is no address of the device")
        found = self._all[index]
        start = address - found.address
        if not found.alive:
            raise IllegalAddressError(f"{address:#x} was freed ({found.owner})")
        if start + size > found.data.size:
            raise IllegalAddressError(
                f"{size} bytes at {address:#x}, which has {max(0, found.data.size - start)}"
                f" of the {found.data.size} of {found.owner}"
            )
        return found.data[start : start + size]

    def room(self, address: int) -> int:
        """Bytes from an address to the end of its allocation. Raises IllegalAddressError."""
        self.view(address, 0)
        found = self._all[bisect_right(self._starts, address) - 1]
        return found.address + found.data.size - address

    def alive(self) -> list[Allocation]:
        return [allocation for allocation in self._all if allocation.alive]
