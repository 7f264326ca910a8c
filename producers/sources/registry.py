"""From a camera's settings to its source."""

from __future__ import annotations

from collections.abc import Callable

from producers.landed.settings import LANDED
from producers.live.arrivals import LiveSource
from producers.settings import CameraSettings
from producers.source_settings import (
    LIVE,
    FileSettings,
    ImagesSettings,
    LiveSettings,
    MjpegSettings,
    RtspSettings,
    SnapshotSettings,
    VideoSettings,
)
from producers.sources.base import Source
from producers.sources.files import LocalFile
from producers.sources.images import ImagesSource
from producers.sources.loop import LoopedSource
from producers.sources.snapshot import SnapshotSource
from producers.sources.stream import StreamSource, mjpeg_address, rtsp_address, webcam_address
from producers.sources.street import StreetSource
from producers.sources.video import VideoSource


def build_source(settings: CameraSettings) -> Source:
    """The source of recordings that the settings describe. Opens nothing and raises nothing."""
    assert not isinstance(settings.source, (*LIVE, *LANDED))  # noqa: S101 - have their own
    source = _once(settings.source, settings.interval_us)
    return source if settings.loop == 1 else LoopedSource(source, settings.loop or None)


def build_live(settings: LiveSettings, interval_us: int, clock: Callable[[], int]) -> LiveSource:
    """The live source that the settings describe; `clock`: µs, monotonic.

    Opens nothing but a file with a password. Raises UserError where that can't be read.
    """
    if isinstance(settings, SnapshotSettings):
        return SnapshotSource(
            settings.bare_url(),
            settings.credentials(),
            settings.connect_timeout_s,
            settings.read_timeout_s,
            clock,
        )
    if isinstance(settings, RtspSettings):
        address = rtsp_address(settings)
    elif isinstance(settings, MjpegSettings):
        address = mjpeg_address(settings)
    else:
        address = webcam_address(settings)
    return StreamSource(address, interval_us, clock)


def _once(settings: FileSettings, interval_us: int) -> Source:
    if isinstance(settings, VideoSettings):
        return VideoSource(
            LocalFile(settings.path),
            start_us=_us(settings.start_s),
            stop_us=None if settings.stop_s is None else _us(settings.stop_s),
        )
    every_us = interval_us if settings.every_s is None else _us(settings.every_s)
    if isinstance(settings, ImagesSettings):
        return ImagesSource(settings.path, every_us=every_us)
    return StreetSource(
        seed=settings.seed,
        width=settings.width,
        height=settings.height,
        every_us=every_us,
        length_us=None if settings.length_s is None else _us(settings.length_s),
        activity=settings.activity,
        day_us=_us(settings.day_s),
        noise=settings.noise,
        clock=settings.clock,
    )


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
