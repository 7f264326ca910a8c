"""ONNX files with the outputs of given heads, nearly the same whatever the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.inference_worker.raw_outputs import CELLS, CLASSES, HEADS, HEIGHT, WIDTH, Outputs, Seen

LABELS = tuple(f"thing {index}" for index in range(CLASSES))
_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "uint8": TensorProto.UINT8,
    "int64": TensorProto.INT64,
}


@dataclass
class Made:
    """How the graph is to be; `outputs` without the batch."""

    outputs: Outputs
    inputs: dict[str, tuple[str, list[int | str]]] = field(
        default_factory=lambda: {"images": ("float32", ["N", 3, HEIGHT, WIDTH])}
    )
    whole_numbers: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    # How much a bright picture adds to each output, against a black one.
    alive: float = 1e-3
    # A graph that says it takes batches, and can't.
    only_one: bool = False

    def file(self) -> bytes:
        """Each output is a constant and, where that is no whole number, a little of the picture."""
        nodes = [
            helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Sigmoid", ["mean"], ["bounded"]),
        ]
        constants = []
        for name, array in self.outputs.items():
            nodes += self._output(name, array.ndim)
            values = np.asarray(array, dtype=np.float32)[None]
            alive = np.where(values % 1 == 0, 0, self.alive).astype(np.float32)
            constants.append(numpy_helper.from_array(values, f"{name} constant"))
            constants.append(numpy_helper.from_array(alive, f"{name} alive"))
            shape = [1 if self.only_one else -1, *[1] * array.ndim]
            constants.append(numpy_helper.from_array(np.array(shape), f"{name} shape"))
        ports = [
            helper.make_tensor_value_info(name, _TYPES[kind], shape)
            for name, (kind, shape) in self.inputs.items()
        ]
        answers = [
            helper.make_tensor_value_info(name, self._type(name), ["N", *array.shape])
            for name, array in self.outputs.items()
        ]
        graph = helper.make_graph(nodes, "made by the tests", ports, answers, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, dict(self.metadata))
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def _output(self, name: str, axes: int) -> list[onnx.NodeProto]:
        return [
            helper.make_node("Reshape", ["bounded", f"{name} shape"], [f"{name} light"]),
            helper.make_node("Mul", [f"{name} light", f"{name} alive"], [f"{name} change"]),
            helper.make_node("Add", [f"{name} change", f"{name} constant"], [f"{name} sum"]),
            helper.make_node("Cast", [f"{name} sum"], [name], to=self._type(name)),
        ]

    def _type(self, name: str) -> int:
        return TensorProto.INT64 if name in self.whole_numbers else TensorProto.FLOAT


def a_box_in_each_cell() -> list[Seen]:
    """Of different sizes, their centres near the cells', as trained heads have them."""
    chance = np.random.default_rng(11)
    sizes = chance.uniform(0.6, 1.2, (len(CELLS), 1)) + chance.uniform(0.0, 0.3, (len(CELLS), 4))
    return [
        Seen(
            place=place,
            distances=tuple(sizes[place].tolist()),
            label=place % CLASSES,
            score=float(chance.uniform(0.05, 0.95)),
        )
        for place in range(len(CELLS))
    ]


def outputs_of(name: str) -> Outputs:
    """Of the head of this name in `HEADS`, with a box in each cell, without the batch."""
    head = next(head for head in HEADS if head.name == name)
    outputs = {key: array[0] for key, array in head.encode([a_box_in_each_cell()]).items()}
    if name == "yolov5":  # three anchors per cell, stride by stride
        rows = outputs["output0"]
        outputs["output0"] = np.concatenate(
            [np.tile(part, (3, 1)) for part in np.split(rows, [48, 60])]
        )
    return outputs


def graph_of(name: str, **changes: object) -> Made:
    """The graph of a head of `HEADS`."""
    made = Made(outputs_of(name), **changes)
    if name == "detr":
        made.inputs["orig_target_sizes"] = ("int64", ["N", 2])
        made.whole_numbers = ("labels",)
    return made
