"""Figures over many judged ticks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onehertz.evaluate.breakdown import Breakdown, share
from onehertz.evaluate.judging import Judged, Tick
from onehertz.evaluate.kinds import size_of
from onehertz.evaluate.objects import Fate

Row = dict[str, Any]  # what `--json` prints


@dataclass(frozen=True, slots=True)
class Missed:
    """An object that is seen on two ticks or more, of which no kept frame shows any."""

    source: str
    label: str
    size: str
    from_s: float
    to_s: float
    ticks: int
    score: float  # of its best box
    sure: bool  # that is not a doubtful one

    def row(self) -> Row:
        """What `--json` prints."""
        return {
            "source": self.source,
            "label": self.label,
            "size": self.size,
            "from_s": round(self.from_s, 6),
            "to_s": round(self.to_s, 6),
            "ticks": self.ticks,
            "score": round(self.score, 4),
            "sure": self.sure,
        }


def missed(
    source: str, ticks: Sequence[Tick], fates: Sequence[Fate], doubtful: float
) -> list[Missed]:
    """Of one pass."""
    return [
        Missed(
            source,
            one.label,
            size_of(one.best, ticks[one.ticks[0]].width, ticks[one.ticks[0]].height),
            ticks[one.ticks[0]].time_s,
            ticks[one.ticks[-1]].time_s,
            len(one.ticks),
            one.best.score,
            one.best.score >= doubtful,
        )
        for one in (fate.object for fate in fates if fate.delay_ticks is None)
        if len(one.ticks) > 1
    ]


@dataclass(frozen=True, slots=True)
class Worst:
    """The tick whose boxes agree least with what it inherits."""

    f1: float
    source: str
    tick: Tick
    same_as: Tick


@dataclass(slots=True)
class Figures:
    """Of one source, or of all. Shares are of 1; empty where there is nothing to divide by."""

    passes: int = 0
    frames: int = 0
    dropped: int = 0
    oracle_dropped: int = 0
    present: int = 0
    recalled: int = 0
    surely_present: int = 0
    surely_recalled: int = 0
    f1: list[float] = field(default_factory=list)
    f1_tolerant: list[float] = field(default_factory=list)
    f1_nonempty: list[float] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    onsets: int = 0
    sure_onsets: int = 0
    sure_caught: int = 0
    missed: list[Missed] = field(default_factory=list)
    breakdown: Breakdown = field(default_factory=Breakdown)
    scenes: Counter[str] = field(default_factory=Counter)
    most_missed: int = 0  # (tick, group) pairs in one pass
    worst: Worst | None = None

    def add_ticks(
        self, source: str, ticks: Sequence[Tick], judged: Sequence[Judged], oracle_dropped: int
    ) -> None:
        """One more pass over a source."""
        missed = sum(len(one.present) - len(one.recalled) for one in judged)
        self.most_missed = max(self.most_missed, missed)
        self.passes += 1
        self.frames += len(judged)
        self.oracle_dropped += oracle_dropped
        for one in judged:
            self.dropped += not one.decided.kept
            if one.decided.scene is not None:
                self.scenes[one.decided.scene] += 1
            self.present += len(one.present)
            self.recalled += len(one.recalled)
            self.surely_present += len(one.surely_present)
            self.surely_recalled += len(one.surely_present & one.recalled)
            self.f1.append(one.f1)
            self.f1_tolerant.append(one.f1_tolerant)
            if not one.empty:
                self.f1_nonempty.append(one.f1)
            if self.worst is None or one.f1 < self.worst.f1:
                number, same_as = one.decided.choice
                self.worst = Worst(one.f1, source, ticks[number], ticks[same_as])

    def add_objects(
        self,
        fates: Sequence[Fate],
        never_shown: Sequence[Missed],
        interval_s: float,
        doubtful: float,
    ) -> None:
        """Those of the same pass."""
        self.missed += never_shown
        for fate in (one for one in fates if one.appears):
            sure = fate.object.best.score >= doubtful
            self.onsets += 1
            self.sure_onsets += sure
            if fate.delay_ticks is not None:
                self.delays_s.append(fate.delay_ticks * interval_s)
                self.sure_caught += sure

    def add(self, other: Figures) -> None:
        """Those of another source, tick by tick."""
        for name in _ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.breakdown.add(other.breakdown)
        self.most_missed = max(self.most_missed, other.most_missed)
        worst = [one for one in (self.worst, other.worst) if one is not None]
        self.worst = min(worst, key=lambda one: one.f1, default=None)

    def row(self, source: str, model: str) -> Row:
        """What `--json` prints."""
        return {
            "source": source,
            "model": model,
            "passes": self.passes,
            "frames": self.frames,
            "dropped": share(self.dropped, self.frames),
            "oracle_dropped": share(self.oracle_dropped, self.frames),
            "of_oracle": share(self.dropped, self.oracle_dropped),
            "f1": _mean(self.f1),
            "f1_tolerant": _mean(self.f1_tolerant),
            "f1_nonempty": _mean(self.f1_nonempty),
            "f1_p5": _quantile(self.f1, 0.05),
            **self._worst(),
            "presence_recall": share(self.recalled, self.present),
            "presence_recall_sure": share(self.surely_recalled, self.surely_present),
            "presence_missed": self.present - self.recalled,
            "presence_missed_most": self.most_missed,
            "onsets": self.onsets,
            "onset_recall": share(len(self.delays_s), self.onsets),
            "onset_recall_sure": share(self.sure_caught, self.sure_onsets),
            "onset_delay_s": _mean(self.delays_s),
            "onset_delay_p95_s": _quantile(self.delays_s, 0.95),
            "objects_missed": [one.row() for one in self.missed],
            "objects_missed_sure": sum(one.sure for one in self.missed),
            "by_class": {name: c.row() for name, c in sorted(self.breakdown.by_class.items())},
            "by_size": {name: c.row() for name, c in sorted(self.breakdown.by_size.items())},
            "scenes": dict(self.scenes),
            "inferences_saved": self.dropped,
        }

    def _worst(self) -> Row:
        if self.worst is None:
            return dict.fromkeys(_WORST)
        tick, same_as = self.worst.tick, self.worst.same_as
        values = (
            round(self.worst.f1, 4),
            self.worst.source,
            round(tick.time_s, 6),
            tick.frame_index,
            same_as.frame_index,
        )
        return dict(zip(_WORST, values, strict=True))


_WORST = ("f1_worst", "worst_source", "worst_at_s", "worst_frame", "worst_sameas_frame")
_ADDED = (
    "passes",
    "frames",
    "dropped",
    "oracle_dropped",
    "present",
    "recalled",
    "surely_present",
    "surely_recalled",
    "f1",
    "f1_tolerant",
    "f1_nonempty",
    "delays_s",
    "onsets",
    "sure_onsets",
    "sure_caught",
    "missed",
    "scenes",
)


def total_row(figures: Sequence[Figures], model: str) -> Row:
    """All of them together, tick by tick; and means over the sources, each counted once."""
    whole = Figures()
    for one in figures:
        whole.add(one)
    each = [one.row("", model) for one in figures if one.frames]
    dropped, oracle = (_mean([row[key] for row in each]) for key in ("dropped", "oracle_dropped"))
    return {
        **whole.row("total", model),
        "mean_dropped": dropped,
        "mean_oracle_dropped": oracle,
        "mean_of_oracle": round(dropped / oracle, 4) if dropped is not None and oracle else None,
        "mean_f1": _mean([row["f1"] for row in each]),
        "least_f1": min((row["f1"] for row in each), default=None),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def _quantile(values: Sequence[float], share_below: float) -> float | None:
    return round(float(np.quantile(values, share_below)), 4) if values else None
