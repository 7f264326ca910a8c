"""Whether a camera's picture is frozen: the same bit for bit, where it used to have noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.jpeg import Luma
from vision.tiles import Tiles

# So many pairs of frames that differed in half of their tiles show that a camera has noise. A
# picture that was drawn has none, and a thrifty encoder repeats what hardly moves: both may stand
# still for as long as they like. Of eleven cameras the calmest differ in half of their tiles in
# some pairs only, ten of them in nearly all.
_LIVELY_PAIRS, _LIVELY_SHARE = 32, 0.5
_FEWEST_FRAMES = 10


@dataclass(frozen=True, slots=True)
class Stillness:
    """Since when the picture is the same, in how many frames, and how lively it was before."""

    since_us: int
    frames: int = 0
    lively: int = 0

    def after(self, last: Luma, now: Luma, moved: Tiles, at_us: int) -> Stillness:
        """After one more frame. `moved`: by how much each tile differs from the last one."""
        if np.array_equal(last, now):
            return Stillness(self.since_us, min(self.frames + 1, _FEWEST_FRAMES), self.lively)
        share = float((moved > 0).mean())
        lively = min(self.lively + (share >= _LIVELY_SHARE), _LIVELY_PAIRS)
        return Stillness(at_us, 0, lively)

    def is_frozen(self, at_us: int, after_us: int) -> bool:
        """Whether it is, at a time up to which it stayed the same. `after_us` of 0: never."""
        return (
            0 < after_us <= at_us - self.since_us
            and self.frames >= _FEWEST_FRAMES
            and self.lively >= _LIVELY_PAIRS
        )
