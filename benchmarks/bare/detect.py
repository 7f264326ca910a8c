"""The engine alone over tensors that are ready: what the worker costs beyond it is ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.method.metering import Stopwatch, Work
from inference_worker.loading import load_detector
from inference_worker.settings import InferSettings
from onehertz.assets import path_of, user_cache
from vision.jpeg import decode_bgr, inspect


def run(picture: str, count: int, **chosen: Any) -> Work:
    """Infer `count` images in batches of the default size. `chosen`: of the settings `infer`."""
    settings = InferSettings(**chosen)
    # As the worker does, so that both make the same choice of engine and precision.
    detector = load_detector(settings, path_of, path_of, user_cache())
    jpeg = Path(picture).read_bytes()
    image = decode_bgr(jpeg, inspect(jpeg))
    size = detector.backend.max_batch
    prepared = detector.prepare([image] * size)
    detector.run(prepared)
    watch = Stopwatch()
    for start in range(0, count, size):
        left = min(size, count - start)
        detector.backend.infer({name: tensor[:left] for name, tensor in prepared.inputs.items()})
    return watch.work(count)
