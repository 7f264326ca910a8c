"""One camera's ticks, from its source to the records that travel. No Kafka in here, no clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from producers.edge import NO_EDGE_GATES, EdgeGates
from producers.encoder import Encoder
from producers.records import Clock, Recorder
from producers.sampler import first_needed_us, sample
from producers.settings import CameraSettings
from producers.sources.base import Source, SourceError
from producers.sources.registry import build_source
from producers.start import run_id, start_us
from runtime.errors import UserError
from schemas.messages import RawRecord
from schemas.wire import MAX_JPEG_BYTES


class CameraTicks:
    """Iterates over records, one per tick, `seq` gap-free from 0 (or `skip_to`).

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
        gates: EdgeGates = NO_EDGE_GATES,
    ) -> None:
        self.camera = camera
        self.run = run
        self.start_at_us = start_at_us
        self.interval_us = settings.interval_us
        self._source = source
        self._settings = settings
        self._clock = clock
        self._gates = gates
        self._first_seq = 0

    def skip_to(self, seq: int) -> None:
        """Let iterations begin with tick `seq`; the source seeks where it can."""
        self._first_seq = seq

    def __iter__(self) -> Iterator[RawRecord]:
        recorder = Recorder(
            self.camera,
            self.run,
            self.start_at_us,
            self.interval_us,
            encoder_of(self._settings),
            self._clock,
            self._gates.begin(self.camera, self._settings.gate),
        )
        try:
            frames = self._source.frames(first_needed_us(self._first_seq, self.interval_us))
            with closing(frames):
                for taken in sample(frames, self.interval_us, self._first_seq):
                    found = taken.outcome
                    outcome = found if isinstance(found, SourceError) else found.load
                    yield recorder.record(taken.tick, outcome)
        except UserError as error:
            raise UserError(f"camera {self.camera}: {error}") from error

    def close(self) -> None:
        """Let go of what the source holds open."""
        self._source.close()


def open_camera(
    camera: str, settings: CameraSettings, clock: Clock, gates: EdgeGates = NO_EDGE_GATES
) -> CameraTicks:
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
    return CameraTicks(camera, settings, source, start_at_us, run, clock, gates)


def encoder_of(settings: CameraSettings) -> Encoder:
    """What makes a camera's pictures into JPEGs."""
    return Encoder(
        settings.jpeg_quality,
        settings.longest_side,
        settings.mask,
        settings.mask_style,
        settings.max_jpeg_bytes or MAX_JPEG_BYTES,
        settings.signature,
    )


def _played_us(source: Source, settings: CameraSettings) -> int | None:
    """Media time that will be played; None: without end."""
    length_us = source.length_us()
    if settings.stop_after_s is None:
        return length_us
    stop_us = round(settings.stop_after_s * 1_000_000)
    return stop_us if length_us is None else min(length_us, stop_us)
