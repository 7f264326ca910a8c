"""What an engine has read may be written over or cut short: the worker lives, its answers stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import openvino

from inference_worker.backends.base import EngineOptions
from inference_worker.backends.choice import Place, open_backend
from tests.inference_worker.onnx_models import shifted


def one_file(folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(shifted())
    return path


def two_files(folder: Path) -> Path:
    path = folder / "model.onnx"
    model = onnx.load_from_string(shifted())
    onnx.save_model(model, path, save_as_external_data=True, location="model.data")
    return path


def openvinos_own(folder: Path) -> Path:
    path = folder / "model.xml"
    openvino.save_model(openvino.Core().read_model(one_file(folder)), path, compress_to_fp16=False)
    return path


def compiled_before(folder: Path) -> Path:
    """Its second engine is read from the cache."""
    path = one_file(folder)
    open_backend(Place("openvino", "cpu"), path, options(folder))
    assert list((folder / "cache").rglob("*.blob"))
    return path


def options(folder: Path) -> EngineOptions:
    return EngineOptions(threads=1, max_batch=1, cache=folder / "cache")


KINDS = [
    ("openvino", one_file),
    ("openvino", two_files),
    ("openvino", openvinos_own),
    ("openvino", compiled_before),
    ("onnxruntime", one_file),
    ("onnxruntime", two_files),
]


def test_files_may_be_written_over_and_cut_short_while_their_model_serves(tmp_path: Path):
    # In a process of its own: what is tested against is the end of the process by a signal.
    program = f"""
from pathlib import Path
from tests.inference_worker.test_files_written_over import serve_while_files_change
serve_while_files_change(Path({str(tmp_path)!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    answered = "".join(f"{engine} {files.__name__} answers as before\n" for engine, files in KINDS)
    assert (done.stdout, done.returncode) == (answered, 0), done.stderr


def serve_while_files_change(root: Path) -> None:
    """Run by the test above in a process of its own."""
    picture = np.ones((1, 3, 64, 64), dtype=np.float32)
    for engine, files in KINDS:
        folder = root / f"{engine}-{files.__name__}"
        folder.mkdir()
        backend = open_backend(Place(engine, "cpu"), files(folder), options(folder))
        before = backend.infer({"x": picture})["y"]
        written = [path for path in folder.rglob("*") if path.is_file()]
        over = {path: b"\xff" * path.stat().st_size for path in written}
        for contents in (over, dict.fromkeys(written, b"")):
            for path, content in contents.items():
                path.chmod(0o600)
                path.write_bytes(content)
            assert np.array_equal(backend.infer({"x": picture})["y"], before), files.__name__
        sys.stdout.write(f"{engine} {files.__name__} answers as before\n")
        sys.stdout.flush()
