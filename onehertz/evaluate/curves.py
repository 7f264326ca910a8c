"""Drop rate against accuracy, over a fixed grid of thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Final

from onehertz.evaluate.judging import Agreement, Choice

GATE: Final = "gate"
OWN: Final = "gate as set"  # with the threshold of the settings
ORACLE: Final = "oracle"
# What the gate is tried with, in shares of its threshold; and the F1 that oracles hold.
GATE_GRID: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
ORACLE_GRID: Final = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Tally:
    """What one rule with one threshold drops, and how well what it reports agrees."""

    frames: int = 0
    dropped: int = 0
    f1_sum: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.frames + other.frames, self.dropped + other.dropped, self.f1_sum + other.f1_sum
        )

    @property
    def drop(self) -> float:
        """Share of the frames."""
        return self.dropped / self.frames if self.frames else 0.0

    @property
    def f1(self) -> float:
        """Mean over all frames."""
        return self.f1_sum / self.frames if self.frames else 1.0


Point = tuple[str, float]  # the rule's name and its threshold
Curves = Mapping[Point, Tally]
Best = dict[str, float | None]


def tally(choices: Sequence[Choice], agreement: Agreement) -> Tally:
    """Of one pass."""
    return Tally(
        len(choices),
        sum(number != same_as for number, same_as in choices),
        sum(agreement.f1(choice) for choice in choices),
    )


def together(curves: Iterable[Curves]) -> Curves:
    """Over all of their frames."""
    whole: dict[Point, Tally] = {}
    for one in curves:
        for key, value in one.items():
            whole[key] = whole.get(key, Tally()) + value
    return whole


def best(curves: Curves, rule: str, least_f1: float) -> Best:
    """The threshold that drops most while the mean F1 is at least that."""
    return _row(
        [
            (one.drop, one.f1, threshold)
            for (name, threshold), one in curves.items()
            if name == rule and one.f1 >= least_f1 - _ROUNDING
        ]
    )


def best_everywhere(curves: Sequence[Curves], rule: str, least_f1: float) -> Best:
    """The threshold that drops most while the mean F1 of **each** source is at least that.

    Drop and F1 are means over the sources.
    """
    passing = []
    for threshold in sorted({at for name, at in together(curves) if name == rule}):
        each = [one[rule, threshold] for one in curves]
        if all(one.f1 >= least_f1 - _ROUNDING for one in each):
            passing.append(
                (mean(one.drop for one in each), mean(one.f1 for one in each), threshold)
            )
    return _row(passing)


def _row(passing: Sequence[tuple[float, float, float]]) -> Best:
    if not passing:
        return {"threshold": None, "dropped": None, "f1": None}
    drop, f1, threshold = max(passing, key=lambda one: (one[0], one[1], -one[2]))
    return {"threshold": threshold, "dropped": round(drop, 4), "f1": round(f1, 4)}
