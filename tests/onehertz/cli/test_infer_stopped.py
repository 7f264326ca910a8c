"""A worker that is stopped while it loads another model ends as any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.inference_worker.onnx_models import convolutions

ROOT = Path(__file__).parents[3]


def test_a_worker_that_is_stopped_while_a_model_is_loaded_ends_well(tmp_path: Path):
    (tmp_path / "model.onnx").write_bytes(convolutions())
    program = "from tests.onehertz.cli import test_infer_stopped as here; here.work_and_stop()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "is loaded beside the model that serves" in done.stderr


def work_and_stop() -> None:
    """Run by the test above in a process of its own: `onehertz infer` without its Kafka."""
    from inference_worker import loading, role
    from inference_worker.backends.base import EngineOptions
    from inference_worker.backends.choice import Place, open_backend
    from onehertz.cli.main import main

    opened, serves = threading.Event(), []

    def load(*_: object) -> object:
        if not serves:  # the first one, at the start
            serves.append(object())
            return serves[0]
        while True:
            options = EngineOptions(threads=1, max_batch=2)
            open_backend(Place("openvino", "cpu"), Path("model.onnx"), options)
            opened.set()

    def run_infer(_context: object, _settings: object, _: object, swap: object, *_more: object):
        os.kill(os.getpid(), signal.SIGHUP)
        while not opened.wait(0.01):
            swap.look()

    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(loading, "load_detector", load)
    monkeypatch.setattr(role, "run_infer", run_infer)
    monkeypatch.setattr(sys, "argv", ["onehertz", "infer", "--set", "health.port=null"])
    main()
