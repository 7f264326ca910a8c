"""What every source of frames promises, and the error with which it says that it has none."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from runtime.errors import OnehertzError
from schemas.messages import MissingReason
from vision.jpeg import Luma

Image = NDArray[np.uint8]  # (height, width, 3), BGR


class SourceError(OnehertzError):
    """The source has no picture to give: the tick goes out as *missing* with this reason."""

    def __init__(self, reason: MissingReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: MissingReason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame's content.

    `jpeg`: the camera's own JPEG, whole and decodable, fit to be passed on as it is; `luma`: what
    `vision.jpeg.decode_luma` gives of it, where that was decoded anyway.
    `pixels()`: a fresh (height, width, 3) uint8 BGR array that the caller may paint on.
    Raises SourceError.
    """

    width: int
    height: int
    pixels: Callable[[], Image]
    jpeg: bytes | None = None
    luma: Luma | None = None


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """A moment of the source. Its picture is made only when `load` is called.

    So a frame that serves no tick costs no conversion, no read and no rendering.

    `media_time_us`: since the beginning of the source; rises strictly from frame to frame.
    `load()`: raises SourceError where there turns out to be no picture.
    `damage`: why this frame is known, without loading, to be no good; None for a good one.
    """

    media_time_us: int
    load: Callable[[], Picture]
    damage: str | None = None


Frames = Generator[SourceFrame, None, None]  # closing one lets go of what the pass holds open


def damaged_frame(media_time_us: int, detail: str) -> SourceFrame:
    """The mark of a frame that was there and could not be decoded."""

    def load() -> Picture:
        raise SourceError("undecodable", detail)

    return SourceFrame(media_time_us, load, damage=detail)


class Source(Protocol):
    """Frames in the order of their media time.

    Constructing one does no work and raises nothing. UserError, from any of the others, means that
    this source can never give a frame as it is configured.
    """

    @property
    def identity(self) -> str:
        """What this source's frames are made of, wherever it lies: equal identity, equal frames."""

    @property
    def recorded_at_us(self) -> int | None:
        """When media time 0 was recorded, µs since 1970, if the source itself says so."""

    def frames(self, from_us: int = 0) -> Frames:
        """A new pass over the frames with `media_time_us >= from_us`.

        Each pass gives the same times and pictures; one that begins later is the end of the whole.
        """

    def length_us(self) -> int | None:
        """Media time at which a repetition would begin: after the last frame. None: endless."""

    def close(self) -> None:
        """Let go of what the source holds open. May be called twice; blocks for nothing."""
