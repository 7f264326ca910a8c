"""Figures over many judged ticks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from onehertz.evaluate.judging import Judged


@dataclass(slots=True)
class Figures:
    """Of one source, or of all. Shares are of 1; empty where there is nothing to divide by."""

    frames: int = 0
    dropped: int = 0
    oracle_dropped: int = 0
    present: int = 0
    recalled: int = 0
    f1: list[float] = field(default_factory=list)
    f1_tolerant: list[float] = field(default_factory=list)
    f1_nonempty: list[float] = field(default_factory=list)
    worst: Judged | None = None

    def add(self, judged: Sequence[Judged], oracle_dropped: int) -> None:
        """One more pass over a source."""
        self.frames += len(judged)
        self.oracle_dropped += oracle_dropped
        for one in judged:
            self.dropped += not one.kept
            self.present += one.present
            self.recalled += one.recalled
            self.f1.append(one.f1)
            self.f1_tolerant.append(one.f1_tolerant)
            if one.tick.boxes:
                self.f1_nonempty.append(one.f1)
            if self.worst is None or one.f1 < self.worst.f1:
                self.worst = one

    def row(self, source: str, model: str) -> dict[str, str | int | float | None]:
        """What `--json` prints."""
        return {
            "source": source,
            "model": model,
            "frames": self.frames,
            "dropped": _share(self.dropped, self.frames),
            "oracle_dropped": _share(self.oracle_dropped, self.frames),
            "f1": _mean(self.f1),
            "f1_tolerant": _mean(self.f1_tolerant),
            "f1_nonempty": _mean(self.f1_nonempty),
            "f1_p5": round(float(np.quantile(self.f1, 0.05)), 4) if self.f1 else None,
            "f1_worst": None if self.worst is None else round(self.worst.f1, 4),
            "worst_at_s": None if self.worst is None else round(self.worst.tick.time_s, 6),
            "presence_recall": _share(self.recalled, self.present),
            "presence_missed": self.present - self.recalled,
            "inferences_saved": self.dropped,
        }


def total(figures: Iterable[Figures]) -> Figures:
    """All of them together, tick by tick."""
    whole = Figures()
    for one in figures:
        whole.frames += one.frames
        whole.dropped += one.dropped
        whole.oracle_dropped += one.oracle_dropped
        whole.present += one.present
        whole.recalled += one.recalled
        whole.f1 += one.f1
        whole.f1_tolerant += one.f1_tolerant
        whole.f1_nonempty += one.f1_nonempty
    return whole


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
