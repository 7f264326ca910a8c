"""From a camera's settings to its source."""

from __future__ import annotations

from producers.settings import CameraSettings, ImagesSettings, SourceSettings, VideoSettings
from producers.sources.base import Source
from producers.sources.images import ImagesSource
from producers.sources.loop import LoopedSource
from producers.sources.street import StreetSource
from producers.sources.video import VideoSource


def build_source(settings: CameraSettings) -> Source:
    """The source that the settings describe. Opens nothing and raises nothing."""
    source = _once(settings.source, settings.interval_us)
    return source if settings.loop == 1 else LoopedSource(source, settings.loop or None)


def _once(settings: SourceSettings, interval_us: int) -> Source:
    if isinstance(settings, VideoSettings):
        return VideoSource(
            settings.path,
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
