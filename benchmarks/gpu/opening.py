"""Detectors on TensorRT, and on the CPU beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.gpu.site import Site
from inference_worker.choosing.plans import FLOAT32, Plan
from inference_worker.detector import Detector
from inference_worker.loading import Opener
from onehertz.assets import path_of

FLOAT16 = "float16"


@contextmanager
def on_gpu(
    site: Site, model: str, precision: str, *, max_batch: int = 0, cache: Path | None = None
) -> Iterator[Detector]:
    """On TensorRT. `cache`: other than the site's. Raises UserError if it can't be opened."""
    chosen = site.settings(model).model_copy(
        update={"backend": "tensorrt", "device": "cuda", "precision": precision}
        | ({"max_batch": max_batch} if max_batch else {})
    )
    opener = Opener(chosen, path_of, cache=cache or site.cache)
    plan = Plan("tensorrt", "cuda", precision, chosen.engine_threads, 0)
    with closing(opener.open(plan)) as detector:
        yield detector


@contextmanager
def on_cpu(site: Site, model: str) -> Iterator[Detector]:
    """The reference: ONNX Runtime at float32."""
    chosen = site.settings(model).model_copy(
        update={"backend": "onnxruntime", "device": "cpu", "precision": FLOAT32}
    )
    plan = Plan("onnxruntime", "cpu", FLOAT32, chosen.engine_threads, 0)
    with closing(Opener(chosen, path_of).open(plan)) as detector:
        yield detector
