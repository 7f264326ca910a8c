"""What the user says of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inference_worker.manifest import PerChannel


@dataclass(frozen=True)
class Wishes:
    """None: what the graph shows, or what is usual."""

    name: str
    format: str | None = None
    outputs: tuple[str, ...] = ()  # to look at; none: at all
    labels: str | None = None
    size: tuple[int, int] | None = None  # width and height in pixels
    # A preset's name, or of each stride the widths and heights in pixels.
    anchors: str | tuple[tuple[float, ...], ...] | None = None
    first_class: int | None = None
    fed_as: str | None = None
    colour: Literal["rgb", "bgr"] | None = None
    mean: PerChannel | None = None
    std: PerChannel | None = None
    letterbox: Literal["centre", "top-left", "none"] | None = None
    padding: int | None = None
    nms_iou: float | None = None
    score_threshold: float | None = None
    licence: str | None = None
    origin: str | None = None
    about: str | None = None

    @property
    def feeding(self) -> bool:
        """Whether they say all of how pictures are fed."""
        said = (self.colour, self.mean, self.std, self.letterbox)
        return self.fed_as is not None or None not in said
