"""What every live source promises."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol

from producers.sources.base import Picture


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame that has come. Its picture is made only when `load` is called.

    `arrived_us`: µs of a monotonic clock; never falls from one arrival to the next.
    `load()`: raises SourceError where there turns out to be no picture.
    `whole`: it can be had by itself, as a key frame can; the others cost all frames before them.
    `patient`: a whole one comes often enough for every tick to wait for it.
    """

    arrived_us: int
    load: Callable[[], Picture]
    whole: bool = True
    patient: bool = True


class Demand(Protocol):
    """When pictures are wanted, for sources that are asked for each."""

    def wait(self) -> bool:
        """Block until the next tick wants a picture. False: none is wanted any more."""


class LiveSource(Protocol):
    """A camera that is connected to. Constructing one does no work and raises nothing."""

    codec: str | None  # what it sends, as FFmpeg calls it; None before the first connection

    def arrivals(self, demand: Demand) -> Generator[Arrival | None]:
        """One connection: frames as they come, until it breaks or is closed.

        None: something came that no picture can be made of, as before a stream's first key frame;
        so who reads is never held up for longer than the source's own time-outs. Raises SourceError
        with the reason why there is no picture; ends by itself where the camera ends the stream. A
        new call connects anew.
        """
