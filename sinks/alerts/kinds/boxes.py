"""Which boxes a rule is about: label, score, zone. Shared by the kinds that look at boxes."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from pydantic import Field, field_validator, model_validator

from runtime.settings import Section
from schemas.messages import Box
from sinks.alerts.kinds.base import Names, Rule, Seen
from sinks.alerts.located import located
from vision.zones import Anchor, InvalidZone, Zone

ANY_LABEL = "any"


class ZoneSettings(Section):
    """A polygon in fractions of the picture, and what of a box must be inside."""

    points: tuple[tuple[float, ...], ...] = Field(
        description="Corners [x, y] in the order of the outline, 0..1 from the upper left."
    )
    anchor: Anchor = Field(
        default="bottom-centre",
        description="What of a box must be inside: `bottom-centre` (the feet), `centre`, or "
        "`overlap` (a share of its area).",
    )
    min_overlap: float = Field(
        default=0.5, gt=0, le=1, description="Share of the box's area, for the anchor `overlap`."
    )

    @field_validator("points")
    @classmethod
    def _check_points(cls, points: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        try:
            Zone(points)
        except InvalidZone as error:
            where = () if error.point is None else (error.point,)
            raise located([(where, str(error))]) from None
        return points

    @model_validator(mode="after")
    def _check_overlap(self) -> ZoneSettings:
        if "min_overlap" in self.model_fields_set and self.anchor != "overlap":
            raise located([(("min_overlap",), "only the anchor `overlap` has a min_overlap")])
        return self

    @cached_property  # one for all cameras of the rule: a restart makes thousands of conditions
    def polygon(self) -> Zone:
        return Zone(self.points)


class BoxRule(Rule):
    """Settings of a rule that looks at boxes."""

    labels: Names = Field(description="The detector's labels, or `any`.")
    min_confidence: float = Field(
        default=0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Lowest score that counts. 0: whatever the model's own threshold let through.",
    )
    zone: ZoneSettings | None = Field(default=None, description="None: the whole picture.")

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if ANY_LABEL in labels and labels != (ANY_LABEL,):
            raise located([((labels.index(ANY_LABEL),), "`any` stands alone")])
        return labels

    def selection_text(self) -> str:
        """Which boxes, for people: `person or car (score 0.5 or more) is in the zone`."""
        what = "anything" if self.labels == (ANY_LABEL,) else " or ".join(self.labels)
        score = f" (score {self.min_confidence:g} or more)" if self.min_confidence else ""
        if self.zone is None:
            return f"{what}{score} is in the picture"
        part = {"bottom-centre": "its feet", "centre": "its centre"}.get(
            self.zone.anchor, f"{self.zone.min_overlap:.0%} of it"
        )
        return f"{what}{score} is in the zone of {len(self.zone.points)} points ({part})"


class Selection:
    """Picks the boxes that a rule is about."""

    def __init__(self, rule: BoxRule) -> None:
        self._any = rule.labels == (ANY_LABEL,)
        self._labels = frozenset(rule.labels)
        self._min_confidence = rule.min_confidence
        self._where = rule.zone
        self._zone = rule.zone.polygon if rule.zone else None
        self._last: tuple[Seen, tuple[Box, ...]] | None = None

    def of(self, seen: Seen) -> tuple[Box, ...]:
        """The boxes of `seen` that count, in the model's order.

        Most ticks are *unchanged* and come with the `seen` of the tick before: its answer is kept.
        """
        if self._last is None or self._last[0] is not seen:
            self._last = (seen, self._pick(seen.boxes))
        return self._last[1]

    def _pick(self, boxes: tuple[Box, ...]) -> tuple[Box, ...]:
        named = tuple(
            box
            for box in boxes
            if (self._any or box.label in self._labels) and box.score >= self._min_confidence
        )
        if not named or self._zone is None or self._where is None:
            return named
        corners: Any = np.array([(box.x1, box.y1, box.x2, box.y2) for box in named])
        inside = self._zone.holds(corners, self._where.anchor, self._where.min_overlap)
        return tuple(box for box, counts in zip(named, inside, strict=True) if counts)
