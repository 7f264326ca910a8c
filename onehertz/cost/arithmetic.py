"""From images/s and $ an hour to what frames and cameras cost. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

HOURS_A_MONTH = 365 * 24 / 12  # 730


@dataclass(frozen=True)
class Use:
    """How a machine is used.

    `utilisation`: share of the time that its engine works, above 0, at most 1; the rest is kept
    for peaks. `dropped`: share of a camera's frames that the gate drops, from 0 to below 1.
    Raises ValueError for others.
    """

    utilisation: float = 0.7
    dropped: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.utilisation <= 1:
            raise ValueError(f"a utilisation of {self.utilisation:g} is not within 0 and 1")
        if not 0 <= self.dropped < 1:
            raise ValueError(f"{self.dropped:g} of the frames can't be dropped: 0 to below 1")


def dollars_per_million(dollars_per_hour: float, images_per_s: float, use: Use) -> float:
    """For a million frames that are inferred. Raises ValueError for images/s of 0 or less."""
    if images_per_s <= 0:
        raise ValueError(f"{images_per_s:g} images/s cost nothing that could be said")
    an_hour = 3600 * images_per_s * use.utilisation
    return 1e6 * dollars_per_hour / an_hour


def cameras(images_per_s: float, use: Use) -> int:
    """How many cameras at one frame a second the engine of a machine carries."""
    carried = images_per_s * use.utilisation / (1 - use.dropped)
    return math.floor(carried + 1e-9)  # 70 images/s at .7 / .7 are 70, not 69.99


def dollars_per_camera(dollars_per_hour: float, carried: int) -> float | None:
    """A month, of a machine that is full; None where it carries no camera."""
    return dollars_per_hour * HOURS_A_MONTH / carried if carried else None


def joules_per_image(joules: float, images: int) -> float:
    """Raises ValueError for no image."""
    if images < 1:
        raise ValueError("no image, so none that took energy")
    return joules / images
