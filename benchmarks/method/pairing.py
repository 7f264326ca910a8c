"""Two things measured in turn, and the ratio between them with its spread. Pure.

Machines are noisy: another process, a warmer processor, a fuller disk. What is measured one right
after the other shares that mood, so the ratio within a round says more than either number, and the
rounds' ratios say how much to believe it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Pair(NamedTuple):
    """One round: the same work done by us and by the other."""

    ours: float
    other: float


class Comparison(NamedTuple):
    """Medians of both sides, and median, least and largest of the rounds' ratios ours/other."""

    ours: float
    other: float
    ratio: float
    ratio_min: float
    ratio_max: float


def interleaved(rounds: int, sides: Mapping[str, Callable[[], T]]) -> list[dict[str, T]]:
    """Runs every side once per round, in their order: A B A B, never A A B B.

    Raises ValueError for less than one round.
    """
    if rounds < 1:
        raise ValueError(f"{rounds} rounds measure nothing")
    return [{name: run() for name, run in sides.items()} for _ in range(rounds)]


def compare(pairs: Sequence[Pair]) -> Comparison:
    """Raises ValueError without a pair, or where the other side of one is not above 0."""
    if not pairs or any(pair.other <= 0 for pair in pairs):
        raise ValueError(f"no ratio can be had of {list(pairs)}")
    # The median of the ratios, not the ratio of the medians: those may be of different rounds.
    ratios = sorted(pair.ours / pair.other for pair in pairs)
    return Comparison(
        ours=median(pair.ours for pair in pairs),
        other=median(pair.other for pair in pairs),
        ratio=median(ratios),
        ratio_min=ratios[0],
        ratio_max=ratios[-1],
    )


def windows(values: Sequence[T], count: int) -> list[Sequence[T]]:
    """`values` cut into `count` consecutive parts of nearly one length, none of them empty.

    Raises ValueError for fewer values than parts.
    """
    if not 1 <= count <= len(values):
        raise ValueError(f"{len(values)} values can't be cut into {count} parts")
    edges = [len(values) * part // count for part in range(count + 1)]
    return [values[start:end] for start, end in pairwise(edges)]
