"""What every kind of rule has: its settings, and a condition that judges one tick after another.

A kind is one file here with two classes, a `Rule` (settings) and a `Condition` (judgement), and one
line in the registry (`kinds/__init__.py`). When a condition has held for long enough, and when an
alert ends, is the same for all kinds: `sinks/alerts/episode.py`.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from runtime.settings import Section
from schemas.messages import CAMERA_PATTERN, Box, Status
from sinks.alerts.located import located
from sinks.alerts.text import check_template

ALL_CAMERAS = "all"
_CAMERA = re.compile(CAMERA_PATTERN)
# These say how an alert is shown or where the rule applies, not what is decided on one camera.
NOT_PART_OF_THE_DEFINITION = {"name", "cameras", "severity", "text"}

DAY_S = 86_400.0


def _list_of_one(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Seconds = Annotated[float, Field(ge=0, le=7 * DAY_S, allow_inf_nan=False)]
Names = Annotated[tuple[str, ...], BeforeValidator(_list_of_one), Field(min_length=1)]


@dataclass(frozen=True)
class Seen:
    """An inferred frame: what the model saw, and where the frame lies."""

    captured_at_us: int
    raw_offset: int | None
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Sight:
    """One tick as a rule sees it.

    `seen` is the tick's own inferred frame, or the earlier one that an *unchanged* tick equals
    (then the very same object as on that tick), or None: what is there is unknown.
    """

    at_us: int
    status: Status
    seen: Seen | None


@dataclass(frozen=True)
class Verdict:
    """Whether the condition holds at a tick, and the boxes that it is about."""

    holds: bool
    boxes: tuple[Box, ...] = ()


class Condition(ABC):
    """Judges the ticks of one camera, in order of capture time, each once."""

    @abstractmethod
    def judge(self, sight: Sight) -> Verdict | None:
        """Whether the condition holds at this tick; None: it can't be known.

        Depends on the sights so far alone: no clock, no chance.
        """

    def state(self) -> bytes:
        """What later judgements need of the ticks so far; empty for a kind without memory."""
        return b""

    def restore(self, state: bytes) -> None:  # noqa: B027 - most kinds have no memory
        """Go on from what `state` gave, with the same rule definition."""


class Rule(Section, ABC):
    """Settings that every kind of rule has. Durations are seconds of capture time."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Unique; part of the alert's id. Letters, digits, '.', '_' and '-'.",
    )
    kind: str = Field(description="What the rule watches for.")
    cameras: Names = Field(description="Camera ids, or `all`.")
    severity: Literal["info", "warning", "critical"] = "warning"
    for_s: Seconds = Field(description="How long the condition must hold before an alert.")
    clear_after_s: Seconds = Field(
        default=3.0,
        description="How long the condition must be known not to hold before it counts as ended. "
        "Detectors lose a person for a frame or two: shorter breaks are bridged, before the alert "
        "as well as after. 0: the first such tick ends it.",
    )
    cooldown_s: Seconds = Field(
        default=0.0,
        description="After an alert's end, no new one begins to be raised for this long. What "
        "still holds then is raised then.",
    )
    max_gap_s: float = Field(
        default=10.0,
        ge=2.0,  # below two ticks' distance, nothing would ever count as continuous
        le=DAY_S,
        allow_inf_nan=False,
        description="The longest stretch without knowledge (camera gone, frames rejected) that "
        "counts as continuous when what was seen before and after it is the same.",
    )
    text: str | None = Field(
        default=None,
        max_length=500,
        description="The raised alert's text, with {rule}, {camera}, {objects}, {count}, {held_s}.",
    )

    @field_validator("cameras")
    @classmethod
    def _check_cameras(cls, cameras: tuple[str, ...]) -> tuple[str, ...]:
        if cameras == (ALL_CAMERAS,):
            return cameras
        problems = [
            ((i,), reason)
            for i, camera in enumerate(cameras)
            if (reason := _camera_problem(camera))
        ]
        if problems:
            raise located(problems)
        return tuple(dict.fromkeys(cameras))

    @field_validator("text")
    @classmethod
    def _check_text(cls, text: str | None) -> str | None:
        if text is not None:
            check_template(text)
        return text

    def watches(self, camera: str) -> bool:
        """Whether the rule applies to this camera."""
        return self.cameras == (ALL_CAMERAS,) or camera in self.cameras

    def definition(self) -> str:
        """A hash of what the rule decides by: state outlives a restart only where it is the same.

        Settings left at their default don't count, so that a later version's new ones change no
        hash.
        """
        dumped = self.model_dump_json(
            exclude=NOT_PART_OF_THE_DEFINITION | {"kind"}, exclude_defaults=True
        )
        return hashlib.sha256(f"{self.kind} {dumped}".encode()).hexdigest()[:16]

    @abstractmethod
    def condition(self) -> Condition:
        """A condition that has seen nothing yet."""

    @abstractmethod
    def subject(self) -> str:
        """What the rule watches for, as the middle of a sentence: "person in the zone"."""

    def sentence(self) -> str:
        """What the rule does, for people."""
        where = "every camera" if self.cameras == (ALL_CAMERAS,) else ", ".join(self.cameras)
        alert = {"info": "an info", "warning": "a warning", "critical": "a critical alert"}
        ends = f"ends once that has not been so for {self.clear_after_s:g} s"
        if not self.clear_after_s:
            ends = "ends at the first tick at which that is not so"
        quiet = f"; none within {self.cooldown_s:g} s after the last" if self.cooldown_s else ""
        return (
            f"on {where}, raises {alert[self.severity]} when {self.subject()} "
            f"for {self.for_s:g} s; {ends}{quiet}"
        )


def _camera_problem(camera: str) -> str | None:
    if camera == ALL_CAMERAS:
        return "`all` stands alone: leave the other cameras out"
    if not _CAMERA.fullmatch(camera):
        return f"{camera!r} is no camera id: letters, digits, '.', '_' and '-', at most 64"
    return None
