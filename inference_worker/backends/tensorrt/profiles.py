"""Which batch sizes TensorRT compiles for. Pure.

TensorRT chooses its kernels for one size of each profile (`best`) and runs them for all of it. One
profile for everything would run a single frame on kernels chosen for the largest batch. Many would
cost their time to build and their memory in every lane. Two fit what the batcher does: while little
comes it makes small batches, and while much comes full ones. Within either, no size is more than
four times smaller than the one that its kernels were chosen for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

# From which largest batch on there are two profiles: below, the sizes hardly differ.
_TWO_FROM: Final = 4


class Profile(msgspec.Struct, frozen=True):
    """Batches of `least` to `most` images, fastest at `best`."""

    least: int
    best: int
    most: int

    def __str__(self) -> str:
        return f"{self.least} to {self.most}" if self.least < self.most else str(self.most)


def fitted(max_batch: int) -> tuple[Profile, ...]:
    """One for few images and one for many, which together are 1 to `max_batch`."""
    if max_batch < _TWO_FROM:
        return (Profile(1, max_batch, max_batch),)
    few = max_batch // 4
    return Profile(1, few, few), Profile(few + 1, max_batch, max_batch)


def profile_for(batch: int, profiles: Sequence[Profile]) -> int:
    """Index of the one that a batch belongs to."""
    return next(at for at, one in enumerate(profiles) if one.least <= batch <= one.most)
