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
        outputs["output0"] = three_times(outputs["output0"])
    return outputs


def three_times(rows: np.ndarray) -> np.ndarray:
    """For three anchors per cell, stride by stride."""
    return np.concatenate([np.tile(part, (3, 1)) for part in np.split(rows, [48, 60])])


def rows_of(*order: int) -> Outputs:
    """YOLOv10's rows x1 y1 x2 y2 score class with their columns in another order; 6: only zeros."""
    rows = outputs_of("yolov10")["output0"]
    padded = np.concatenate([rows, np.zeros((len(rows), 1), dtype=np.float32)], axis=1)
    return {"output0": padded[:, list(order)]}


def objectness_of(value: float) -> Outputs:
    """Rows of a YOLO on the grid with the same objectness everywhere."""
    rows = outputs_of("yolov8-anchors-first")["output0"]
    objects = np.full((len(rows), 1), value, dtype=np.float32)
    return {"output0": np.concatenate([rows[:, :4], objects, rows[:, 4:]], axis=1)}


def undecoded(layout: str, *, activated: bool = False) -> Outputs:
    """Heads of three anchors per cell with any numbers, by stride."""
    chance = np.random.default_rng(4)
    heads = {}
    for stride, rows, columns in ((8, 6, 8), (16, 3, 4), (32, 2, 2)):
        head = chance.normal(-1, 3, (3, rows, columns, 5 + CLASSES)).astype(np.float32)
        head = 1 / (1 + np.exp(-head)) if activated else head
        if layout == "values-first":
            head = head.transpose(0, 3, 1, 2).reshape(-1, rows, columns)
        elif layout == "values-last":
            head = head.transpose(1, 2, 0, 3).reshape(rows, columns, -1)
        heads[f"p{stride}"] = head
    if layout == "joined":
        return {"all": np.concatenate([head.reshape(-1, 5 + CLASSES) for head in heads.values()])}
    return heads


def one_map() -> Outputs:
    """FastestDet's: objectness, offsets, classes that add up to 1."""
    chance = np.random.default_rng(4)
    map_ = chance.normal(0, 1, (5 + CLASSES, HEIGHT // 16, WIDTH // 16))
    map_[0] = chance.uniform(0, 1, map_[0].shape)
    map_[5:] = np.exp(map_[5:]) / np.exp(map_[5:]).sum(axis=0)
    return {"output0": map_.astype(np.float32)}


def graph_of(name: str, **changes: object) -> Made:
    """The graph of a head of `HEADS`."""
    made = Made(outputs_of(name), **changes)
    if name == "detr":
        made.inputs["orig_target_sizes"] = ("int64", ["N", 2])
        made.whole_numbers = ("labels",)
    return made


# Two of one thing that overlap by half, another thing at the same place, and one far off.
NMS_BOXES = ((4, 4, 24, 24), (5, 5, 25, 25), (4, 4, 24, 24), (40, 8, 60, 40))
NMS_LABELS = (0, 0, 1, 2)


def with_nms(brighter: float = 0.6) -> bytes:
    """A graph whose own NonMaxSuppression leaves (n, 7): image, x1 y1 x2 y2, class, score.

    Scores are `brighter` times what a bright picture has, so a black one has none above 0.25.
    """
    scores = np.zeros((1, CLASSES, len(NMS_BOXES)), dtype=np.float32)
    for place, label in enumerate(NMS_LABELS):
        scores[0, label, place] = 0.9 - 0.1 * place
    constants = {
        "all_boxes": np.array([NMS_BOXES], dtype=np.float32),
        "best": scores / brighter,
        "half": np.array(brighter / 255, dtype=np.float32),
        "most": np.array([10]),
        "overlap": np.array([0.5], dtype=np.float32),
        "least": np.array([0.25], dtype=np.float32),
        "zero": np.array([0]),
        "one": np.array([1]),
        "two": np.array([2]),
        "axis": np.array([1]),
    }
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "half"], ["light"]),
        helper.make_node("Mul", ["best", "light"], ["scores"]),
        helper.make_node(
            "NonMaxSuppression", ["all_boxes", "scores", "most", "overlap", "least"], ["chosen"]
        ),
        helper.make_node("GatherND", ["scores", "chosen"], ["score"]),
        helper.make_node("Unsqueeze", ["score", "axis"], ["score_column"]),
        helper.make_node("Gather", ["chosen", "two"], ["places"], axis=1),
        helper.make_node("Squeeze", ["places", "axis"], ["place"]),
        helper.make_node("Squeeze", ["all_boxes", "zero"], ["boxes"]),
        helper.make_node("Gather", ["boxes", "place"], ["box"], axis=0),
        helper.make_node("Gather", ["chosen", "zero"], ["image"], axis=1),
        helper.make_node("Gather", ["chosen", "one"], ["class"], axis=1),
        helper.make_node("Cast", ["image"], ["image_column"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["class"], ["class_column"], to=TensorProto.FLOAT),
        helper.make_node(
            "Concat", ["image_column", "box", "class_column", "score_column"], ["output"], axis=1
        ),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 7])
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "made by the tests", [images], [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
