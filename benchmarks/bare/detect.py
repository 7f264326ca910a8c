"""The detector over images that are decoded already: what the worker costs beyond it is ours."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

from benchmarks.method.metering import Stopwatch, Work
from inference_worker.loading import load_detector
from inference_worker.settings import InferSettings
from onehertz.assets import path_of
from vision.jpeg import decode_bgr, inspect


def run(folder: str, count: int) -> Work:
    """Detect on `count` images, those of `folder` over and over, in batches of the default size."""
    settings = InferSettings()
    detector = load_detector(settings, path_of)
    jpegs = [path.read_bytes() for path in sorted(Path(folder).glob("*.jpg"))]
    images = cycle([decode_bgr(jpeg, inspect(jpeg)) for jpeg in jpegs])
    detector.detect(list(islice(images, settings.max_batch)))
    watch = Stopwatch()
    for start in range(0, count, settings.max_batch):
        detector.detect(list(islice(images, min(settings.max_batch, count - start))))
    return watch.work(count)
