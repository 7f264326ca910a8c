"""Frames made the engine's input on the device, against the CPU's, to one grey level."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from inference_worker.backends.base import EngineOptions, PictureBackend, Pictures
from inference_worker.backends.choice import Place, open_backend
from inference_worker.manifest import Input, Letterbox
from inference_worker.preprocess import Preprocessor

pytestmark = pytest.mark.claim("letterbox")
SIZES = ((640, 360), (333, 517), (1920, 1080), (64, 64), (31, 200), (416, 416), (1281, 723))
SPECS = {
    "centred": Input(320, 320, "nchw", "rgb", std=(255.0,) * 3, letterbox=Letterbox("centre", 114)),
    "stretched": Input(300, 200, "nhwc", "bgr", mean=(127.5,) * 3, std=(127.5,) * 3),
    "odd": Input(417, 233, "nchw", "bgr", letterbox=Letterbox("top-left", 0)),
}


def through(spec: Input) -> bytes:
    """A graph that gives its input back."""
    size = [3, spec.height, spec.width] if spec.layout == "nchw" else [spec.height, spec.width, 3]
    shape = ["N", *size]
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y", "one")]
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    node = helper.make_node("Mul", ["x", "one"], ["y"])
    graph = helper.make_graph([node], "through", ports[:1], ports[1:2], [one])
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


@pytest.mark.parametrize("name", SPECS)
def test_the_kernel_gives_what_the_cpu_gives(
    name: str, tmp_path: Path, noted: Callable[[str], None]
):
    spec = SPECS[name]
    chance = np.random.default_rng(11)
    images = [chance.integers(0, 256, (h, w, 3), dtype=np.uint8) for w, h in SIZES]
    expected, placements = Preprocessor(spec)(images)
    path = tmp_path / "through.onnx"
    path.write_bytes(through(spec))
    options = EngineOptions(threads=1, max_batch=len(images), frames=spec)
    with closing(open_backend(Place("tensorrt", "cuda"), path, options)) as backend:
        assert isinstance(backend, PictureBackend)
        found = backend.infer_pictures(Pictures(images, placements), {})["y"]
    std = np.array(spec.std).reshape((3, 1, 1) if spec.layout == "nchw" else (3,))
    grey_levels = np.abs(found - expected) * std
    assert grey_levels.max() <= 1.001
    noted(f"{name}: at most {grey_levels.max():.2f} grey levels off")
