"""A process from its start to its first boxes: as a worker starts, or with a bare session."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def run(
    *, model: str = "", folders: tuple[str, ...] = (), cache: str = "", weights: str = ""
) -> bool:
    """With `weights` a bare session of ONNX Runtime, else a detector that has been admitted."""
    if weights:
        _bare(weights)
    else:
        _worker(model, folders, cache)
    return True


def _worker(model: str, folders: tuple[str, ...], cache: str) -> None:
    from inference_worker.loading import load_detector
    from inference_worker.settings import InferSettings
    from onehertz.assets import path_of

    settings = InferSettings(model=model, model_folders=tuple(map(Path, folders)))
    detector = load_detector(settings, path_of, path_of, Path(cache))
    assert detector.batch_ms, "measured anew"
    detector.detect([np.zeros((480, 640, 3), dtype=np.uint8)])


def _bare(weights: str) -> None:
    import onnxruntime as ort

    session = ort.InferenceSession(weights, providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    inputs = {
        one.name: np.ones([n if isinstance(n, int) else 1 for n in one.shape], kinds[one.type])
        for one in session.get_inputs()
    }
    session.run(None, inputs)
