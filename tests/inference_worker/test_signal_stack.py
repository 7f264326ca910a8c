"""A SIGTERM must end a worker well, whatever its engines have done to the process."""

from __future__ import annotations

import gc
from pathlib import Path

from inference_worker.backends.base import EngineOptions
from inference_worker.backends.choice import Place, open_backend
from inference_worker.backends.signal_stack import current_signal_stack
from tests.inference_worker import onnx_models


def test_engines_that_come_and_go_leave_the_stack_of_signal_handlers_alone(tmp_path: Path):
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_models.affine())
    options = EngineOptions(threads=1, max_batch=1)
    before = current_signal_stack()
    first = open_backend(Place("openvino", "cpu"), path, options)
    second = open_backend(Place("openvino", "cpu"), path, options)
    assert current_signal_stack() == before
    del first
    gc.collect()
    del second
    gc.collect()
    assert current_signal_stack() == before
