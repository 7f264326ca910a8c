"""How large a batch is to be, and how long it may wait: from what batches of each size take.

The objective: 95 of 100 frames have their result within `p95_ms` of being read. Larger batches cost
an engine less per frame and make every frame in them wait longer; so the largest one is wanted that
holds the objective, and none is waited for that is not coming.

Where more comes than such batches carry, waiting frames pile up and the objective is lost in any
case. Then the batch that carries most is taken, until the pile is gone.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from inference_worker.batching.batch_times import BatchTimes, quantile

# A frame's cost in one size is no less than in another if they differ by less than this share.
_ALIKE: Final = 0.03
# Next frames come at random: after so many mean gaps one has come nearly always.
_SURE_GAPS: Final = 2.0
_MARGIN: Final = 0.9  # of the objective; the rest is for boxes, messages and what nobody foresees
_RATE_WINDOW_MS: Final = 5_000.0  # cameras come once a second: a few of their rounds
_READY_SAMPLES = 20


class Plan(NamedTuple):
    """The next batch: of `size` inferences at most, or of what is there at `close_at_ms`."""

    size: int
    close_at_ms: float


class BatchController:
    """Plans batches. Times are milliseconds of any clock that never steps back."""

    def __init__(
        self,
        max_batch: int,
        max_wait_ms: float,
        p95_ms: float,
        now_ms: float = 0.0,
        seed_ms: Mapping[int, float] | None = None,
        lanes: int = 1,
    ) -> None:
        """`seed_ms`: what batches of some sizes took when they were tried, if they were. `lanes`:
        how many the engine has in hand at once.

        Raises ValueError for limits that make no sense.
        """
        if max_batch < 1 or max_wait_ms < 0 or p95_ms <= 0:
            raise ValueError(
                f"a batch of {max_batch} within {max_wait_ms} ms makes no sense"
                f" with an objective of {p95_ms} ms"
            )
        self.max_batch = max_batch
        self._max_wait_ms = max_wait_ms
        self._lanes = lanes
        self._budget_ms = p95_ms * _MARGIN
        self._times = BatchTimes(max_batch, seed_ms or {}, now_ms)
        self._ready_ms: deque[float] = deque(maxlen=_READY_SAMPLES)  # per frame
        self._rate = _Rate()
        self._decide()

    # ------------------------------------------------------------ what is seen

    def arrived(self, now_ms: float, inferences: int = 1) -> None:
        """A frame came, that takes so many."""
        self._rate.count(now_ms, inferences)

    def observe(self, size: int, engine_ms: float, ready_ms: float, now_ms: float) -> None:
        """A batch is through: its share of the engine's time, and what making it ready took before.

        `size`: its inferences. Those beyond the largest batch, of a frame in many tiles, were made
        in parts.
        """
        self._ready_ms.append(max(0.0, ready_ms) / size)
        whole = min(size, self.max_batch)
        self._times.observe(whole, engine_ms * whole / size, now_ms)
        self._decide()

    def replace(self, other: BatchController) -> None:
        """Serve in place of another, to which the same frames came."""
        self._rate = other._rate

    # ------------------------------------------------------------ what is planned

    def plan(self, waiting: int, oldest_ms: float, now_ms: float, free_at_ms: float) -> Plan:
        """The next batch of `waiting` inferences (1 at least), the oldest came at `oldest_ms`.

        `free_at_ms`: when the engine is expected to be done with what it has.
        """
        size = self.size(waiting)
        if waiting >= size:
            return Plan(size, now_ms)
        due_ms = self._due_ms(waiting + 1, oldest_ms)
        next_ms = now_ms + _SURE_GAPS * self._rate.gap_ms(now_ms)
        if waiting >= min(self._worth, self._holds) or next_ms > due_ms:
            due_ms = now_ms
        # As long as the engine is busy, waiting for more costs nothing.
        return Plan(size, max(now_ms, due_ms, free_at_ms - self.ready_ms(waiting)))

    def size(self, waiting: int) -> int:
        """How many inferences the next batch is of at most, with so many waiting."""
        return self._holds if self.is_held(waiting) else self._carries_most

    def is_held(self, waiting: int) -> bool:
        """Whether the objective can be held with so many waiting: one batch carries them.

        They wait for what runs and for their own batch; those of a further one would be late.
        """
        return self._can_hold and waiting <= self._holds

    def engine_ms(self, size: int) -> float:
        """What the engine usually takes for such a batch; 0 before any was seen."""
        return self._times.typical_ms(size)

    def ready_ms(self, size: int) -> float:
        """What making such a batch ready for the engine is expected to take."""
        return size * quantile(self._ready_ms, 0.5) if self._ready_ms else 0.0

    # ------------------------------------------------------------ how

    def _decide(self) -> None:
        holding = [n for n in range(1, self.max_batch + 1) if self._worst_ms(n) <= self._budget_ms]
        self._can_hold = bool(holding)
        self._holds = max(holding, default=1)
        self._worth, self._carries_most = self._cheap()

    def _worst_ms(self, size: int) -> float:
        """A frame that just missed a batch waits for those that run, then for its own."""
        return (self._lanes + 1) * self._times.high_ms(size) + self.ready_ms(size)

    def _due_ms(self, size: int, oldest_ms: float) -> float:
        """When a batch of that size must close, for its oldest frame's result to be in time."""
        left_ms = self._budget_ms - self._times.high_ms(size) - self.ready_ms(size)
        return oldest_ms + min(self._max_wait_ms, max(0.0, left_ms))

    def _cheap(self) -> tuple[int, int]:
        """The smallest and the largest size that cost a frame about as little as any.

        Where that is the largest seen so far, twice as much is to be tried.
        """
        cost = {size: took_ms / size for size, took_ms in self._times.seen.items()}
        if not cost:
            return self.max_batch, self.max_batch
        enough = min(cost.values()) / (1 - _ALIKE)
        cheap = [size for size in cost if cost[size] <= enough]
        tried = max(cost)
        least, most = (
            min(self.max_batch, size * 2) if size == tried else size
            for size in (min(cheap), max(cheap))
        )
        return least, most


class _Rate:
    """How many inferences are asked for; older ones count less and less."""

    def __init__(self) -> None:
        self._count = 0.0
        self._at_ms = 0.0

    def count(self, now_ms: float, inferences: int) -> None:
        self._count = self._faded(now_ms) + inferences
        self._at_ms = now_ms

    def gap_ms(self, now_ms: float) -> float:
        """Between two of them, on the mean; infinite before any."""
        count = self._faded(now_ms)
        return _RATE_WINDOW_MS / count if count > 0 else math.inf

    def _faded(self, now_ms: float) -> float:
        return self._count * math.exp(min(0.0, self._at_ms - now_ms) / _RATE_WINDOW_MS)
