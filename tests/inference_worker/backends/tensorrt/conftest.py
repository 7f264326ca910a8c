"""A backend of TensorRT on the fake GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from inference_worker.backends.base import Backend, EngineOptions
from inference_worker.backends.choice import Place, open_backend
from tests.inference_worker.backends.fake_gpu.fixture import fake_gpu
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu

__all__ = ["fake_gpu"]

OpenTensorRt = Callable[..., Backend]


@pytest.fixture
def open_tensorrt(fake_gpu: FakeGpu, tmp_path: Path) -> Iterator[OpenTensorRt]:
    """Opens a graph; at the end of the test nothing may be left of any."""
    opened: list[Backend] = []

    def open_it(model: bytes | None = None, *, max_batch: int = 8, **options: Any) -> Backend:
        path = tmp_path / "model.onnx"
        if model is not None:
            path.write_bytes(model)
        options = {"cache": tmp_path / "cache", "threads": 1, "max_batch": max_batch, **options}
        opened.append(open_backend(Place("tensorrt", "cuda"), path, EngineOptions(**options)))
        return opened[-1]

    yield open_it
    for backend in opened:
        backend.close()
    opened.clear()
    if fake_gpu.broken is None:
        assert fake_gpu.leaks() == []
