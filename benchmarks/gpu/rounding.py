"""What float16 does to a model, without a GPU: each number rounded as a GPU would round it.

python -m benchmarks.gpu.rounding     AP50 of the float models, float32 beside float16

ONNX Runtime computes a float16 graph on the CPU in float32 and rounds where it likes, so it sees a
better model than TensorRT does. Here every tensor that is float16 in the graph that TensorRT is
given is rounded to it, and every operator computes in float32. A GPU's result is of this kind, not
the same: it fuses operators (rounds less often), and may sum in float16 (rounds more).
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path

import click
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.gpu.parity import ap50
from benchmarks.gpu.site import Site, site
from inference_worker.backends.base import EngineOptions
from inference_worker.backends.choice import Place, open_backend
from inference_worker.backends.tensorrt.half import half
from inference_worker.choosing.cores import cores
from inference_worker.detector import Detector
from inference_worker.manifest import Manifest
from inference_worker.store import Store
from onehertz.assets import path_of
from onehertz.evaluate.truth import Truth, read_truth
from runtime.errors import UserError


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    """A float16 graph as one in float32 that rounds to float16 wherever that one has float16."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    halves = {one.name for one in graph.value_info if _is_half(one)}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:], copy.graph.value_info[:], copy.graph.initializer[:]
    copy.graph.initializer.extend(map(_float32, graph.initializer))
    for node in graph.node:
        _computes_in_float32(node)
        to_round = [name for name in node.output if name in halves]
        exact = [f"{name}_exact" if name in halves else name for name in node.output]
        node.ClearField("output")
        node.output.extend(exact)
        copy.graph.node.append(node)
        for name in to_round:
            copy.graph.node.append(_cast(f"{name}_exact", f"{name}_half", TensorProto.FLOAT16))
            copy.graph.node.append(_cast(f"{name}_half", name, TensorProto.FLOAT))
    return copy


def losses(where: Site) -> dict[str, tuple[float, float]]:
    """AP50 by model: at float32, and rounded."""
    truth = read_truth(where.pictures / "images", where.pictures / "labels", None)
    found = {}
    for name in where.names(int8=False):
        model = Store(path_of, (where.models,)).model(name, (".onnx",))
        with tempfile.TemporaryDirectory(prefix="onehertz-") as folder:
            path = Path(folder) / "rounded.onnx"
            onnx.save(rounded(half(onnx.load(model.weights))), path)
            seen = [_ap50(model.manifest, one, truth) for one in (model.weights, path)]
        found[name] = seen[0], seen[1]
        where.say(f"{name}: AP50 {seen[0]:.4f}, in float16 {seen[1]:.4f}")
    return found


def _ap50(manifest: Manifest, weights: Path, truth: Truth) -> float:
    options = EngineOptions(threads=cores(), max_batch=8)
    with closing(open_backend(Place("onnxruntime", "cpu"), weights, options)) as backend:
        return ap50(Detector(manifest, backend), truth)


def _computes_in_float32(node: onnx.NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            attribute.t.CopyFrom(_float32(attribute.t))
        elif node.op_type == "Cast" and attribute.name == "to":
            attribute.i = TensorProto.FLOAT if attribute.i == TensorProto.FLOAT16 else attribute.i


def _float32(tensor: TensorProto) -> TensorProto:
    if tensor.data_type != TensorProto.FLOAT16:
        return tensor
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)


def _is_half(value: onnx.ValueInfoProto) -> bool:
    return bool(value.type.tensor_type.elem_type == TensorProto.FLOAT16)


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], to=kind)


@click.command()
def main() -> None:
    """AP50 of the float models on the labelled pictures, float32 beside float16."""
    losses(site(Path()))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"benchmarks.gpu.rounding: {error}")
