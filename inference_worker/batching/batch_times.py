"""What a batch of each size takes, learnt from the batches that went through."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

_SAMPLES = 20
_HIGH: Final = 0.9  # what nearly all batches of a size stay below: two outliers of twenty are none
# Machines get busy and idle again. A size that was not used for so long is judged by its
# neighbours, so that one bad minute does not rule it out for ever.
_MEMORY_MS = 60_000.0
# Next to a batch of n, one of m takes m/n times as long at most, and so much more: beyond, it was
# an outlier. A processor's caches cost 1.3 (DEIMv2-atto, batches of 1 and 4, one thread).
_LEEWAY = 1.5


class _Sample(NamedTuple):
    at_ms: float
    took_ms: float


class BatchTimes:
    """Of one model on one engine."""

    def __init__(self, max_batch: int, seed_ms: Mapping[int, float], now_ms: float) -> None:
        """`seed_ms`: what batches of some sizes took when they were tried; those that fit count."""
        self._max_batch = max_batch
        self._samples: dict[int, deque[_Sample]] = {}
        self._said: dict[int, tuple[float, float]] = {}  # what is typical, what is high
        self._typical: dict[int, float] = {}
        self._high: dict[int, float] = {}
        for size, took_ms in seed_ms.items():
            self.observe(size, took_ms, now_ms)

    def observe(self, size: int, took_ms: float, now_ms: float) -> None:
        """A batch of that size has taken so long. Nonsense is left out."""
        if not (1 <= size <= self._max_batch and 0 < took_ms < math.inf):
            return
        samples = self._samples.setdefault(size, deque(maxlen=_SAMPLES))
        samples.append(_Sample(now_ms, took_ms))
        took = [one.took_ms for one in samples]
        self._said[size] = quantile(took, 0.5), quantile(took, _HIGH)
        self._forget(now_ms)
        self._typical = _plausible({n: said[0] for n, said in self._said.items()})
        self._high = _plausible({n: said[1] for n, said in self._said.items()})

    @property
    def seen(self) -> Mapping[int, float]:
        """By size, what a batch usually takes: the sizes that were seen of late."""
        return self._typical

    def typical_ms(self, size: int) -> float:
        """What a batch usually takes; 0 before any was seen."""
        return _interpolated(self._typical, size)

    def high_ms(self, size: int) -> float:
        """What nine batches of ten stay below; 0 before any was seen."""
        return _interpolated(self._high, size)

    def _forget(self, now_ms: float) -> None:
        old = [n for n, kept in self._samples.items() if kept[-1].at_ms < now_ms - _MEMORY_MS]
        for size in old:
            del self._samples[size], self._said[size]


def quantile(values: Iterable[float], share: float) -> float:
    """The value that this share of them stays at or below. Raises ValueError without any."""
    ranked = sorted(values)
    if not ranked:
        raise ValueError("no value, no quantile")
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def _plausible(by_size: Mapping[int, float]) -> dict[int, float]:
    """No larger batch takes less than a smaller one, and none out of all proportion. Sorted."""
    capped: dict[int, float] = {}
    least_per_image = math.inf  # of the smaller ones
    for size in sorted(by_size):
        capped[size] = min(by_size[size], least_per_image * size * _LEEWAY)
        least_per_image = min(least_per_image, by_size[size] / size)
    least = math.inf  # of the larger ones
    for size in reversed(capped):
        least = capped[size] = min(capped[size], least)
    return capped


def _interpolated(by_size: Mapping[int, float], size: int) -> float:
    """Linear between sizes; above them in proportion, below them the least: on the safe side.

    `by_size`: sorted.
    """
    if not by_size:
        return 0.0
    sizes = list(by_size)
    at = bisect_left(sizes, size)
    if at == len(sizes):
        return by_size[sizes[-1]] * size / sizes[-1]
    above = sizes[at]
    if at == 0 or above == size:
        return by_size[above]
    below = sizes[at - 1]
    share = (size - below) / (above - below)
    return by_size[below] + (by_size[above] - by_size[below]) * share
