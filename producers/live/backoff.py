"""How long to wait before the next try to connect: longer each time, and not all at once."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

FIRST_S, LONGEST_S = 1.0, 30.0
# A connection that gave frames for so long was a good one: the next wait is short again. With 10 s,
# cameras that were there for 8 to 15 s at a time, 88 % in all, had a frame for 56 % of the ticks:
# each wait cut the next connection short, and so made the next wait longer. With 3 s for 81 %.
GOOD_AFTER_US = 3_000_000


class Backoff:
    """1, 2, 4 … 30 s, each shortened by up to a half, at random.

    Forty cameras behind one switch would otherwise knock at the same moment.
    """

    def __init__(self, chance: Callable[[], float] | None = None) -> None:
        """`chance`: numbers in [0, 1)."""
        self._chance = chance or Random().random  # noqa: S311 - spreads load, keeps no secret
        self._next_s = FIRST_S

    def wait_s(self, connected_us: int) -> float:
        """Seconds to wait after a connection that gave frames for so long (0: none)."""
        if connected_us >= GOOD_AFTER_US:
            self._next_s = FIRST_S
        wait_s = self._next_s * (1 - self._chance() / 2)
        self._next_s = min(LONGEST_S, self._next_s * 2)
        return wait_s
