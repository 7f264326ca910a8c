"""A TFLite SSD as OpenVINO's own, without its last operator and with outputs in float32."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13

from inference_worker.adding.by_anchors import SSD_PRESETS
from inference_worker.adding.tflite_ssd import OPERATOR, Coded, Cut, cut
from inference_worker.decoders.ssd import make_anchors
from runtime.errors import UserError

_BOX_SCALES = (10.0, 10.0, 5.0, 5.0)
# Anchors of whole bytes are off by .0033; those of another generator by .01 and more.
_CLOSE = 0.005


def converted(path: Path, folder: tempfile.TemporaryDirectory[str]) -> tuple[Path, str, str]:
    """The file as `<name>.xml` and `.bin` in the folder, its anchors' preset, and a line on it.

    Raises UserError if its anchors are none that are known.
    """
    found = cut(path)
    left = Path(folder.name) / path.name
    left.write_bytes(found.content)
    model = ov.Core().read_model(left)
    results = [_result(model, found.boxes, "boxes"), _result(model, found.scores, "scores")]
    whole = ov.Model(results, model.get_parameters(), path.stem)
    target = left.with_suffix(".xml")
    ov.save_model(whole, target, compress_to_fp16=False)
    name = OPERATOR.decode()
    text = f"{path.name} is kept as {target.name} and .bin, without {name}, which is done here"
    return target, _preset(path, found, model), text


def _result(model: ov.Model, coded: Coded, name: str) -> ov.Node:
    port = model.output(coded.name).get_node().input_value(0)
    number = opset13.convert(port, "f32")
    shifted = opset13.subtract(number, opset13.constant(np.float32(coded.zero)))
    scaled = opset13.multiply(shifted, opset13.constant(np.float32(coded.scale)))
    scaled.output(0).get_tensor().set_names({name})
    return opset13.result(scaled)


def _preset(path: Path, found: Cut, model: ov.Model) -> str:
    """Whose anchors the file's are."""
    _, height, width, _ = (int(size) for size in model.inputs[0].get_shape())
    for name, anchors in SSD_PRESETS.items():
        own = make_anchors(anchors, width, height)
        same = own.shape == found.anchors.shape and np.abs(own - found.anchors).max() < _CLOSE
        if same and found.box_scales == _BOX_SCALES:
            return name
    raise UserError(
        f"{path}: is an SSD with {len(found.anchors)} anchors at {width} x {height} that are not"
        f" those of {', '.join(SSD_PRESETS)}; export it with its boxes decoded"
    )
