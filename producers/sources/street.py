"""A synthetic street: frame k depends on the seed and k alone, and its truth is known exactly."""

from __future__ import annotations

from functools import cached_property, partial

import cv2
import numpy as np
from numpy.typing import NDArray

from producers.sources.base import Frames, Image, Picture, SourceFrame
from producers.sources.street_scenery import (
    NIGHT_NOISE,
    NOISE_BORDER,
    daylight,
    noise_field,
    scenery,
)
from producers.sources.street_traffic import (
    LEAST_VISIBLE,
    Part,
    TrueBox,
    body,
    true_box,
    visitors_at,
)

VERSION = 1  # of the drawing: raise it with every change of a pixel, it is part of the identity
NIGHT_LIGHT = 0.15  # how much of a visitor's own colour is left at midnight
SUBPIXEL_BITS = 4  # of cv2.fillPoly's coordinates

__all__ = ["LEAST_VISIBLE", "StreetSource", "TrueBox"]


class StreetSource:
    """People and cars come by now and then; most of the time nobody does.

    Frames at k * `every_us`; endless where `length_us` is None. Sizes in pixels, `noise` in grey
    levels (by night three times as much), `activity` the share of minutes in which somebody
    appears, `day_us` the length of a day, which begins at noon.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        width: int = 640,
        height: int = 480,
        every_us: int = 1_000_000,
        length_us: int | None = None,
        activity: float = 0.3,
        day_us: int = 86_400_000_000,
        noise: float = 2.0,
        clock: bool = True,
    ) -> None:
        self._seed = seed
        self._size = (width, height)
        self._every_us = every_us
        self._length_us = length_us
        self._activity = activity
        self._day_us = day_us
        self._noise = noise
        self._clock = clock

    @property
    def identity(self) -> str:
        width, height = self._size
        return (
            f"street:v{VERSION}:{self._seed}:{width}x{height}:{self._every_us}:{self._activity}:"
            f"{self._day_us}:{self._noise}:{self._clock}"
        )

    @property
    def recorded_at_us(self) -> None:
        """It never was."""
        return

    def frames(self, from_us: int = 0) -> Frames:
        number = -(-from_us // self._every_us)
        while self._length_us is None or number * self._every_us < self._length_us:
            yield SourceFrame(number * self._every_us, partial(self._picture, number))
            number += 1

    def length_us(self) -> int | None:
        """That of whole frames: a repetition begins when the next one would be due."""
        if self._length_us is None:
            return None
        return -(-self._length_us // self._every_us) * self._every_us

    def close(self) -> None:
        """Nothing to let go of."""

    def truth(self, tick: int) -> list[TrueBox]:
        """Who is to be seen in frame `tick`: boxes of the outlines as drawn, the farthest first.

        Smoothed edges reach up to 2 px beyond. Of somebody who is partly out of the frame, the part
        inside, if it is at least `LEAST_VISIBLE` of the whole; as if nobody hid anybody.
        """
        boxes = (true_box(label, parts, *self._size) for label, parts in self._bodies(tick))
        return [box for box in boxes if box is not None]

    def render(self, tick: int) -> Image:
        """Frame `tick`: (height, width, 3) uint8 BGR."""
        light = daylight(tick * self._every_us, self._day_us)
        day, night = self._scenery
        image = np.asarray(cv2.addWeighted(day, light, night, 1.0 - light, 0.0), dtype=np.uint8)
        for _, parts in self._bodies(tick):
            _draw(image, parts, NIGHT_LIGHT + (1.0 - NIGHT_LIGHT) * light)
        if self._noise:
            image = self._noisy(image, tick, light)
        if self._clock:
            _write_clock(image, tick * self._every_us)
        return image

    def _picture(self, tick: int) -> Picture:
        width, height = self._size
        return Picture(width, height, partial(self.render, tick))

    def _bodies(self, tick: int) -> list[tuple[str, list[Part]]]:
        media_us = tick * self._every_us
        return [
            (visitor.label, body(visitor, media_us, *self._size))
            for visitor in visitors_at(self._seed, self._activity, media_us)
        ]

    def _noisy(self, image: Image, tick: int, light: float) -> Image:
        """By a piece of a fixed noise field that is cut elsewhere for each frame.

        Fresh normal noise would cost three times as much as all the rest of the frame.
        """
        rng = np.random.default_rng((self._seed, 3, tick))
        x, y = rng.integers(0, NOISE_BORDER, 2)
        width, height = self._size
        by_day, by_night = self._noise_fields
        field = by_day if light > 0.5 else by_night
        piece = field[y : y + height, x : x + width]
        return np.asarray(cv2.add(image, piece, dtype=cv2.CV_8U), dtype=np.uint8)

    @cached_property
    def _scenery(self) -> tuple[Image, Image]:
        return scenery(self._seed, *self._size)

    @cached_property
    def _noise_fields(self) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        width, height = self._size
        by_day = noise_field(self._seed, width, height, self._noise)
        return by_day, noise_field(self._seed, width, height, self._noise * NIGHT_NOISE)


def _draw(image: Image, parts: list[Part], light: float) -> None:
    for part in parts:
        # Pixel i reaches from i to i + 1; OpenCV counts from the middle of the first pixel.
        corners = np.rint((part.corners - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)
        colour = [value * light for value in part.colour]
        cv2.fillPoly(image, [corners], colour, cv2.LINE_AA, SUBPIXEL_BITS)


def _write_clock(image: Image, media_us: int) -> None:
    """Time since noon of the first day, on a black bar, as cameras do."""
    tenths = media_us // 100_000 + 12 * 36_000
    days, tenths = divmod(tenths, 24 * 36_000)
    hours, minutes, seconds = tenths // 36_000, tenths // 600 % 60, tenths // 10 % 60
    text = f"day {days} {hours:02}:{minutes:02}:{seconds:02}.{tenths % 10}"
    height = image.shape[0]
    scale = max(0.2, height / 960)
    (text_width, text_height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    image[: text_height + below + 2, : text_width + 2] = 0
    cv2.putText(
        image, text, (1, text_height + 1), cv2.FONT_HERSHEY_SIMPLEX, scale, (235, 235, 235), 1
    )
