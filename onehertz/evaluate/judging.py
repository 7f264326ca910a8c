"""The gate's decisions over one pass of a video, judged by what the detector sees on each tick.

A dropped tick inherits the boxes of the last kept one; what it inherits is compared with what the
detector sees on the tick itself. No video, no model, no clock in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.messages import Box
from vision.gate import Because, Gate, GateRule
from vision.jpeg import Luma
from vision.scores import f1

# The oracle keeps a tick exactly when what it would inherit scores less than this.
ORACLE_F1 = 0.95


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick of a video. `time_s` after its first frame; `boxes`: what the detector sees."""

    time_s: float
    frame_index: int
    luma: Luma
    boxes: Sequence[Box]


@dataclass(frozen=True, slots=True)
class Judged:
    """A tick, what became of it, and how well what it inherits agrees with what is there."""

    tick: Tick
    kept: bool
    because: Because | None
    score: float
    same_as: int  # number of the tick whose boxes it has
    f1: float
    f1_tolerant: float  # boxes close to the threshold count on neither side
    present: int  # labels that the detector sees here
    recalled: int  # of those, in what it inherits


def judge(ticks: Sequence[Tick], rule: GateRule, name: str, doubtful: float) -> list[Judged]:
    """The gate from its first frame on. `doubtful`: scores below it do not count (tolerant)."""
    gate = Gate(rule)
    same_as = 0
    judged = []
    for number, tick in enumerate(ticks):
        decision = gate.decide(tick.luma, f"{name}:{number}", round(tick.time_s * 1e6))
        if decision.kept:
            same_as = number
        inherited = ticks[same_as].boxes
        labels = {box.label for box in tick.boxes}
        judged.append(
            Judged(
                tick,
                decision.kept,
                decision.because,
                decision.score,
                same_as,
                f1(inherited, tick.boxes),
                f1(inherited, tick.boxes, doubtful=doubtful),
                len(labels),
                len(labels & {box.label for box in inherited}),
            )
        )
    return judged


def oracle_dropped(ticks: Sequence[Tick], refresh: int) -> int:
    """Ticks that a gate would drop that knows what the detector is about to see.

    Causal: it keeps exactly when the inherited boxes score below ORACLE_F1, and after `refresh`
    ticks, as the gate has to.
    """
    dropped, kept = 0, 0
    for number in range(1, len(ticks)):
        inherits = f1(ticks[kept].boxes, ticks[number].boxes) >= ORACLE_F1
        if inherits and number - kept < refresh:
            dropped += 1
        else:
            kept = number
    return dropped
