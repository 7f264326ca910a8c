"""Simulated page-locked memory. It is poisoned, not given back, when it is freed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.inference_worker.backends.fake_gpu.memory import FRESH, STALE, Bytes, OutOfMemoryError

UNREAD = 0xCD  # what a copy's target holds until the copy is known to be done


@dataclass
class Pinned:
    data: Bytes
    alive: bool = True

    @property
    def start(self) -> int:
        return int(self.data.__array_interface__["data"][0])

    def holds(self, address: int, size: int) -> bool:
        return self.start <= address and address + size <= self.start + self.data.size


class HostMemory:
    """All page-locked memory of the process; of at most `total` bytes."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._all: list[Pinned] = []

    def allocate(self, size: int) -> Pinned:
        """Raises OutOfMemoryError."""
        if sum(pinned.data.size for pinned in self.alive()) + size > self.total:
            raise OutOfMemoryError(f"{size} bytes")
        pinned = Pinned(np.full(max(1, size), FRESH, dtype=np.uint8))
        self._all.append(pinned)
        return pinned

    def free(self, pinned: Pinned) -> None:
        pinned.alive = False
        pinned.data[:] = STALE

    def find(self, address: int, size: int) -> Pinned | None:
        """What holds these bytes; None for pageable memory."""
        held = [pinned for pinned in self._all if pinned.holds(address, size)]
        return held[-1] if held else None

    def alive(self) -> list[Pinned]:
        return [pinned for pinned in self._all if pinned.alive]
