"""The gate's decisions over one pass of a video, judged by what somebody sees on each tick.

A dropped tick inherits the boxes of the last kept one; what it inherits is compared with what the
judge sees on the tick itself. No video, no model, no clock in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from onehertz.evaluate.kinds import group_of
from schemas.messages import Box
from vision.gate import Because, Decision
from vision.jpeg import Luma
from vision.scene import Scene
from vision.scores import f1

Boxes = Sequence[Box]
WarmUp = Literal["none", "first", "last"]
# A tick, and the tick whose boxes it has: itself if it was kept.
Choice = tuple[int, int]

# Share of a pass that comes before the break: the gate warms up on the one part, and is judged on
# the other.
WARM_UP_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick of a video. `time_s` after its first frame; width and height of the frame."""

    time_s: float
    frame_index: int
    luma: Luma
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a judge sees on each tick of a pass.

    `doubtful`: a box whose score is below that may be there on one frame and gone on the next.
    `tracks`: of ground truth, which object each box is; as long as `boxes`, tick by tick.
    """

    judge: str
    boxes: Sequence[Boxes]
    doubtful: float = 0.0
    tracks: Sequence[Sequence[int]] | None = None


class Agreement:
    """How well the boxes of one tick stand for those of another; each pair is worked out once."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self._known: dict[Choice, float] = {}

    def f1(self, choice: Choice) -> float:
        """As `vision.scores.f1`, of what the tick inherits."""
        number, same_as = choice
        if number == same_as:
            return 1.0
        if choice not in self._known:
            self._known[choice] = f1(self.seen.boxes[same_as], self.seen.boxes[number])
        return self._known[choice]

    def tolerant(self, choice: Choice) -> float:
        """The same where boxes without partner that are doubtful count on neither side."""
        number, same_as = choice
        agrees = self.f1(choice)
        if agrees == 1.0:
            return agrees
        boxes = self.seen.boxes
        return f1(boxes[same_as], boxes[number], doubtful=self.seen.doubtful)


@dataclass(frozen=True, slots=True)
class Course:
    """Ticks in the order in which the gate gets them; those from place `judged_from` on count.

    `times_us`: when each was captured; rises strictly, also where the end comes before the
    beginning.
    """

    numbers: tuple[int, ...]
    times_us: tuple[int, ...]
    judged_from: int

    @property
    def judged(self) -> tuple[int, ...]:
        """Numbers of the ticks that count."""
        return self.numbers[self.judged_from :]


def course(times_s: Sequence[float], warm_up: WarmUp, interval_us: int) -> Course:
    """All ticks in their order (`none`, `first`), or the last 60 % before the first 40 %."""
    times_us = [round(time_s * 1e6) for time_s in times_s]
    count = len(times_us)
    cut = round(count * WARM_UP_SHARE)
    if warm_up != "last":
        start = cut if warm_up == "first" else 0
        return Course(tuple(range(count)), tuple(times_us), start)
    later_us = times_us[-1] + interval_us if times_us else 0
    return Course(
        (*range(cut, count), *range(cut)),
        (*times_us[cut:], *(later_us + at_us for at_us in times_us[:cut])),
        count - cut,
    )


class Deciding(Protocol):
    """`vision.gate.Gate`, as far as it is needed here."""

    def decide(self, luma: Luma, frame: str, captured_at_us: int) -> Decision:
        """See `vision.gate.Gate.decide`."""

    def learn(self, frame: str, boxes: Boxes | None) -> bool:
        """What a detector saw on a kept frame; None where it refused it."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A tick, what became of it and why."""

    number: int
    same_as: int
    because: Because | None
    score: float
    scene: Scene | None = None  # what happened to the picture as a whole

    @property
    def kept(self) -> bool:
        """Whether it would be inferred."""
        return self.number == self.same_as

    @property
    def choice(self) -> Choice:
        """The tick, and whose boxes it has."""
        return self.number, self.same_as


def decide(
    gate: Deciding,
    ticks: Sequence[Tick],
    order: Course,
    name: str,
    lessons: Mapping[int, Boxes | None],
) -> list[Decided]:
    """A new gate's decisions on all ticks, in the order of the course.

    `lessons`: by tick, what it learns when it has kept that one; nothing where there is no entry.
    """
    same_as = order.numbers[0] if order.numbers else 0
    decided = []
    for number, at_us in zip(order.numbers, order.times_us, strict=True):
        frame = f"{name}:{ticks[number].frame_index}"
        decision = gate.decide(ticks[number].luma, frame, at_us)
        if decision.kept:
            same_as = number
            if number in lessons:
                gate.learn(frame, lessons[number])
        decided.append(Decided(number, same_as, decision.because, decision.score, decision.scene))
    return decided


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision, and how well what the tick inherits agrees with what is there."""

    decided: Decided
    f1: float
    f1_tolerant: float  # boxes close to the threshold count on neither side
    empty: bool  # the judge sees nothing here
    present: frozenset[str]  # groups of labels that the judge sees here
    recalled: frozenset[str]  # of those, in what it inherits
    surely_present: frozenset[str]  # of those, with a box that is not doubtful


def judge(decided: Iterable[Decided], agreement: Agreement) -> list[Judged]:
    """One by one."""
    seen = agreement.seen
    judged = []
    for one in decided:
        boxes, inherited = seen.boxes[one.number], seen.boxes[one.same_as]
        present = groups(boxes)
        judged.append(
            Judged(
                one,
                agreement.f1(one.choice),
                agreement.tolerant(one.choice),
                not boxes,
                present,
                present & groups(inherited),
                groups(box for box in boxes if box.score >= seen.doubtful),
            )
        )
    return judged


def groups(boxes: Iterable[Box]) -> frozenset[str]:
    """Of all labels that are there."""
    return frozenset(group_of(box.label) for box in boxes)
