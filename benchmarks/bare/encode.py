"""From the sources to JPEG, a thread per camera: what the producers cost beyond it is ours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.method.metering import Stopwatch, Work
from onehertz.settings import Settings
from producers.settings import CameraSettings
from producers.sources.registry import build_source
from runtime.settings import load
from vision.jpeg import encode_bgr


def run(config: str) -> Work:
    """Encode every frame of every camera's source, as far as it is to be played."""
    cameras = load(Settings, Path(config), environment={}, overrides={}).cameras.values()
    with ThreadPoolExecutor(len(cameras)) as threads:
        watch = Stopwatch()
        return watch.work(sum(threads.map(_encode, cameras)))


def _encode(camera: CameraSettings) -> int:
    ended_us = (camera.stop_after_s or 1e9) * 1e6
    encoded = 0
    for frame in build_source(camera).frames():
        if frame.media_time_us >= ended_us:
            break
        encode_bgr(frame.load().pixels(), camera.jpeg_quality)
        encoded += 1
    return encoded
