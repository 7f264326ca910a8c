"""One camera's ticks, from its source to the records that travel. No Kafka in here, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from producers.encoder import Encoder
from producers.sampler import Sample, first_needed_us, sample
from producers.settings import CameraSettings
from producers.sources.base import Source, SourceError
from producers.sources.registry import build_source
from producers.start import run_id, start_us
from runtime.errors import UserError
from schemas.messages import Captured, Missing, from_us

Clock = Callable[[], int]  # µs since 1970
LONGEST_DETAIL = 1000  # schemas.messages.Missing.detail


class CameraTicks:
    """Iterates over `Captured | Missing`, one per tick, `seq` gap-free from 0 (or `skip_to`).

    Captured at `start_at_us` + seq * interval, exactly. `clock` only says when the stage took and
    gave a frame. An iteration raises UserError, naming the camera, where its source can never give
    a frame; a picture that can't be had is a *missing* tick.
    """

    def __init__(
        self,
        camera: str,
        settings: CameraSettings,
        source: Source,
        start_at_us: int,
        run: str,
        clock: Clock,
    ) -> None:
        self.camera = camera
        self.run = run
        self.start_at_us = start_at_us
        self.interval_us = settings.interval_us
        self._source = source
        self._clock = clock
        self._encoder = Encoder(settings.jpeg_quality, settings.longest_side, settings.mask)
        self._first_seq = 0

    def skip_to(self, seq: int) -> None:
        """Let iterations begin with tick `seq`; the source seeks where it can."""
        self._first_seq = seq

    def __iter__(self) -> Iterator[Captured | Missing]:
        try:
            frames = self._source.frames(first_needed_us(self._first_seq, self.interval_us))
            with closing(frames):
                for taken in sample(frames, self.interval_us, self._first_seq):
                    yield self._record(taken)
        except UserError as error:
            raise UserError(f"camera {self.camera}: {error}") from error

    def close(self) -> None:
        """Let go of what the source holds open."""
        self._source.close()

    def _record(self, taken: Sample) -> Captured | Missing:
        took_us = self._clock()
        if isinstance(taken.outcome, SourceError):
            return self._missing(taken.tick, taken.outcome, took_us)
        try:
            encoded = self._encoder.encode(taken.outcome.load())
        except SourceError as error:
            return self._missing(taken.tick, error, took_us)
        return Captured(
            camera=self.camera,
            captured_at=from_us(self.captured_at_us(taken.tick)),
            run=self.run,
            seq=taken.tick,
            width=encoded.width,
            height=encoded.height,
            jpeg=encoded.jpeg,
            stages={"produce": (took_us, self._clock())},
        )

    def _missing(self, seq: int, why: SourceError, took_us: int) -> Missing:
        return Missing(
            camera=self.camera,
            captured_at=from_us(self.captured_at_us(seq)),
            run=self.run,
            seq=seq,
            reason=why.reason,
            detail=why.detail[:LONGEST_DETAIL],
            stages={"produce": (took_us, self._clock())},
        )

    def captured_at_us(self, seq: int) -> int:
        """Capture time of a tick, µs since 1970."""
        return self.start_at_us + seq * self.interval_us


def open_camera(camera: str, settings: CameraSettings, clock: Clock) -> CameraTicks:
    """A camera as it is configured, ready to give its ticks.

    Reads what it takes to know where the run begins and what it is called. Raises UserError, naming
    the camera, where the source can't be had.
    """
    source = build_source(settings)
    hurries = settings.start_at == "now" and (settings.speed is None or settings.speed > 1.0)
    try:
        start_at_us = start_us(
            settings.start_at,
            now_us=clock(),
            recorded_at_us=source.recorded_at_us if settings.start_at == "file" else None,
            length_us=_played_us(source, settings) if hurries else None,
            speed=settings.speed,
        )
        run = run_id(camera, source.identity, settings.interval_us, start_at_us)
    except UserError as error:
        raise UserError(f"camera {camera}: {error}") from error
    return CameraTicks(camera, settings, source, start_at_us, run, clock)


def _played_us(source: Source, settings: CameraSettings) -> int | None:
    """Media time that will be played; None: without end."""
    length_us = source.length_us()
    if settings.stop_after_s is None:
        return length_us
    stop_us = round(settings.stop_after_s * 1_000_000)
    return stop_us if length_us is None else min(length_us, stop_us)
