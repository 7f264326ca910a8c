"""The usual ways to drop frames, and the oracle: what the gate is held against.

Each compares with the last frame that it kept, keeps above a threshold, and refreshes as the gate
does. All look at the luma that the gate looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from onehertz.evaluate.judging import Agreement, Choice, Course, Tick
from vision.jpeg import Luma

# The oracle keeps a tick exactly when what it would inherit scores less than this.
ORACLE_F1: Final = 0.95


def keep_when(order: Course, refresh: int, too_far: Callable[[int, int], bool]) -> list[Choice]:
    """Choices for those of the course's ticks that count.

    The first tick is kept, then each that is `too_far` (reference, tick) from the last kept one, or
    `refresh` ticks behind it.
    """
    choices: list[Choice] = []
    kept_at = 0
    for place, number in enumerate(order.numbers):
        reference = order.numbers[kept_at]
        if place == 0 or place - kept_at >= refresh or too_far(reference, number):
            kept_at, reference = place, number
        choices.append((number, reference))
    return choices[order.judged_from :]


def oracle(
    agreement: Agreement, order: Course, refresh: int, least_f1: float = ORACLE_F1
) -> list[Choice]:
    """A gate that knows what the judge is about to see.

    Causal: it keeps exactly when the inherited boxes score below `least_f1`, and after `refresh`
    ticks, as the gate has to.
    """
    return keep_when(
        order,
        refresh,
        lambda reference, number: agreement.f1((number, reference)) < least_f1,
    )


Distance = Callable[[int, int], float]  # between two ticks, by their numbers


def mean_difference(one: Luma, other: Luma) -> float:
    """Mean absolute difference in grey levels; infinite between lumas of two sizes."""
    if one.shape != other.shape:
        return float("inf")
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size


def dhash(luma: Luma) -> int:
    """Difference hash, 64 bits: whether each pixel of a 9x8 thumbnail is darker than its right one.

    N. Krawetz, "Kind of Like That", hackerfactor.com, 2013.
    """
    small = cv2.resize(luma, (9, 8), interpolation=cv2.INTER_AREA)
    return _as_number(small[:, 1:] > small[:, :-1])


def phash(luma: Luma) -> int:
    """Perceptual hash, 64 bits: which of the lowest 8x8 DCT coefficients of a 32x32 thumbnail lie
    above their median (the mean, coefficient 0, is left out of the median).

    N. Krawetz, "Looks Like It", hackerfactor.com, 2011; C. Zauner, "Implementation and Benchmarking
    of Perceptual Image Hash Functions", 2010.
    """
    small = cv2.resize(luma, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    lowest = cv2.dct(small)[:8, :8]
    return _as_number(lowest > np.median(lowest.ravel()[1:]))


def _as_number(bits: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _by_mean(ticks: Sequence[Tick]) -> Distance:
    return cache(lambda one, other: mean_difference(ticks[one].luma, ticks[other].luma))


def _by_hash(hash_of: Callable[[Luma], int], ticks: Sequence[Tick]) -> Distance:
    hashes = [hash_of(tick.luma) for tick in ticks]
    return lambda one, other: (hashes[one] ^ hashes[other]).bit_count()


# By name: what is compared, and the thresholds above which a tick is kept: grey levels, or bits.
_BITS: Final = (*range(13), 14, 16, 20, 24)
RULES: Final[dict[str, tuple[Callable[[Sequence[Tick]], Distance], Sequence[float]]]] = {
    "global mean": (
        _by_mean,
        (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0),
    ),
    "dHash": (partial(_by_hash, dhash), _BITS),
    "pHash": (partial(_by_hash, phash), _BITS),
}
EVERY_NTH: Final = "every nth"
NTHS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60)
NAMES: Final = (*RULES, EVERY_NTH)


def baselines(
    ticks: Sequence[Tick], order: Course, refresh: int
) -> Iterator[tuple[str, float, list[Choice]]]:
    """Name, threshold and choices of each, over its whole grid."""
    for name, (prepare, thresholds) in RULES.items():
        distance = prepare(ticks)
        for threshold in thresholds:
            yield name, threshold, keep_when(order, refresh, _above(distance, threshold))
    for nth in NTHS:
        yield EVERY_NTH, nth, keep_when(order, min(refresh, nth), lambda *_: False)


def _above(distance: Distance, threshold: float) -> Callable[[int, int], bool]:
    return lambda reference, number: distance(reference, number) > threshold
