"""Reads the files that a user may bring: ONNX, TFLite, TensorFlow's frozen graphs, OpenVINO's."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from inference_worker.adding.graph import Graph
from runtime.errors import UserError

_POINTER = b"version https://git-lfs.github.com/spec/"
_OTHERS = {
    ".pt": "a checkpoint of PyTorch; export it, for Ultralytics: yolo export format=onnx",
    ".pth": "a checkpoint of PyTorch; export it with its repository's export script",
    ".engine": "an engine of TensorRT, for one GPU and one version; bring the ONNX it was made of",
    ".plan": "an engine of TensorRT, for one GPU and one version; bring the ONNX it was made of",
    ".pdmodel": "a model of PaddlePaddle; make ONNX of it with paddle2onnx",
    ".h5": "a model of Keras; make ONNX of it with tf2onnx",
    ".keras": "a model of Keras; make ONNX of it with tf2onnx",
    ".param": "a model of ncnn; bring the ONNX it was made of",
    ".mlmodel": "a model of Core ML; bring what it was made of",
    ".bin": "weights of something else; of OpenVINO name the .xml beside it",
}


def read_graph(path: Path) -> Graph:
    """Raises UserError if the file is no graph that can be run here."""
    suffix = path.suffix.lower()
    if suffix in _OTHERS:
        raise UserError(f"{path}: is {_OTHERS[suffix]}")
    try:
        with path.open("rb") as file:
            is_pointer = file.read(len(_POINTER)) == _POINTER
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
    if is_pointer:
        raise UserError(f"{path}: is a pointer of Git LFS, not the file itself: say git lfs pull")
    # Imported here: only one of the engines need be installed.
    if suffix == ".onnx":
        _need(("onnx", "onnxruntime"), path)
        from inference_worker.adding.read_onnx import read_onnx

        return read_onnx(path)
    if suffix in (".tflite", ".pb", ".xml"):
        _need(("openvino", "tflite"), path)
        from inference_worker.adding.read_openvino import read_by_openvino

        return read_by_openvino(path)
    raise UserError(
        f"{path}: a file of this name can't be read; these can: .onnx, .tflite, .pb (a frozen graph"
        " of TensorFlow), .xml (OpenVINO)"
    )


def _need(packages: tuple[str, ...], path: Path) -> None:
    absent = [one for one in packages if find_spec(one) is None]
    if absent:
        raise UserError(
            f"{path}: is read by {' and '.join(packages)}, and {absent[0]} is not installed:"
            " pip install 'onehertz[worker-cpu,models]'"
        )
