"""Small ONNX graphs: real files for real engines, whose answers can be worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from inference_worker.formats import Detr, Ssd, SsdAnchors
from inference_worker.manifest import Input, Manifest, Nms, Weights

_OPSET = 17
_IR_VERSION = 8

# 16 x 16 pixels; 2 x 2 cells of three anchors and one cell of two.
SMALL_ANCHORS = 14
SMALL_CLASSES = 3
SMALL_SSD = Manifest(
    name="small-ssd",
    about="random weights",
    licence="Apache-2.0",
    origin="made by the tests",
    weights=(Weights(file="small.onnx", sha256="0" * 64),),
    input=Input(width=16, height=16, layout="nchw", colour="bgr", std=(255.0, 255.0, 255.0)),
    output=Ssd(
        boxes="boxes",
        scores="scores",
        anchors=SsdAnchors(
            strides=(8, 16),
            min_scale=0.3,
            max_scale=0.6,
            aspect_ratios=(1.0,),
            lowest_scale=0.2,
        ),
    ),
    labels=("person", "car"),
    score_threshold=0.5,
    nms=Nms(iou_threshold=0.5),
)


SMALL_DETR = Manifest(
    name="small-detr",
    about="random weights",
    licence="Apache-2.0",
    origin="made by the tests",
    weights=(Weights(file="small.onnx", sha256="0" * 64),),
    input=Input(
        width=16,
        height=12,
        layout="nchw",
        colour="rgb",
        std=(255.0, 255.0, 255.0),
        sizes="orig_target_sizes",
    ),
    output=Detr(),
    labels=("person", "car", "dog"),
    score_threshold=0.5,
)


def _constant(name: str, value: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(value, name)


def _model(
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    inputs: dict[str, list[int | str]],
    outputs: dict[str, list[int | str]],
    *,
    whole_numbers: tuple[str, ...] = (),
    half_floats: tuple[str, ...] = (),
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Names of inputs and outputs: `whole_numbers` are int64, `half_floats` float16.

    All others are float32.
    """

    def ports(shapes: dict[str, list[int | str]]) -> list[onnx.ValueInfoProto]:
        kinds = dict.fromkeys(whole_numbers, TensorProto.INT64)
        kinds |= dict.fromkeys(half_floats, TensorProto.FLOAT16)
        return [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), shape)
            for name, shape in shapes.items()
        ]

    graph = helper.make_graph(nodes, "made by the tests", ports(inputs), ports(outputs), constants)
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def renamed() -> bytes:
    """x through an Identity at either end: engines drop those nodes, and with them a name."""
    nodes = [
        helper.make_node("Identity", ["x"], ["inner"]),
        helper.make_node("Neg", ["inner"], ["negative"]),
        helper.make_node("Identity", ["negative"], ["y"]),
    ]
    return _model(nodes, [], {"x": ["N", 4]}, {"y": ["N", 4]})


def typed() -> bytes:
    """float16 x → `half` = 2 x, float16; int64 size → `whole` = size + 1, int64."""
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["half"]),
        helper.make_node("Add", ["size", "one"], ["whole"]),
    ]
    constants = [_constant("two", np.array(2, dtype=np.float16)), _constant("one", np.array(1))]
    return _model(
        nodes,
        constants,
        {"x": ["N", 2], "size": ["N", 1]},
        {"half": ["N", 2], "whole": ["N", 1]},
        whole_numbers=("size", "whole"),
        half_floats=("x", "half"),
    )


def affine(*, batch: int | str = "N", reshape_to: int = 0, squeezed: bool = False) -> bytes:
    """`twice` = 2 x + 1 and `flat`, the same as (batch, 12), of an input (batch, 3, 2, 2).

    `reshape_to`: first entry of the Reshape's target; 1 is what exporters write for one image.
    `squeezed`: the graph takes the batch axis of `flat` away.
    """
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["doubled"]),
        helper.make_node("Add", ["doubled", "one"], ["twice"]),
        helper.make_node("Reshape", ["twice", "target"], ["flat"]),
    ]
    constants = [
        _constant("two", np.array(2, dtype=np.float32)),
        _constant("one", np.array(1, dtype=np.float32)),
        _constant("target", np.array([12] if squeezed else [reshape_to, 12])),
    ]
    flat: list[int | str] = [12] if squeezed else [batch, 12]
    return _model(
        nodes, constants, {"x": [batch, 3, 2, 2]}, {"twice": [batch, 3, 2, 2], "flat": flat}
    )


def convolutions(*, batch: int | str = "N", reshape_to: int = 0, seed: int = 2) -> bytes:
    """A small network with the sums that engines reorder: (batch, 3, 32, 32) → (batch, 320)."""
    chance = np.random.default_rng(seed)
    w1 = chance.normal(0, 0.2, (64, 3, 3, 3)).astype(np.float32)
    w2 = chance.normal(0, 0.05, (64, 64, 3, 3)).astype(np.float32)
    w3 = chance.normal(0, 0.05, (5, 64, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["c2"], ["s2"]),
        helper.make_node("Conv", ["s2", "w3"], ["c3"]),
        helper.make_node("Reshape", ["c3", "target"], ["y"]),
    ]
    constants = [
        _constant("w1", w1),
        _constant("w2", w2),
        _constant("w3", w3),
        _constant("target", np.array([reshape_to, 320])),
    ]
    return _model(nodes, constants, {"x": [batch, 3, 32, 32]}, {"y": [batch, 320]})


def small_ssd(variant: str = "good") -> bytes:
    """Raw SSD heads for `SMALL_SSD`: random projections of the picture.

    good            honest
    liar            declares a dynamic batch and can only do 1
    liar-at-3       declares a dynamic batch and can only do 1 and 2
    mixes           each image's answer depends on its neighbours in the batch
    not-a-number    the square root of a negative number
    dead            the same answer whatever the picture
    wrong-shape     one anchor too few
    blind           every score is nearly 0
    outside         sure of boxes, all of them far outside the picture
    other-weights   sees something else
    dazzled         not a number for a picture that is grey, 200 of 255, on the mean
    fragile         scores are the small difference of two large sums: nothing for INT8
    """
    chance = np.random.default_rng(8 if variant == "other-weights" else 7)
    anchors = SMALL_ANCHORS - 1 if variant == "wrong-shape" else SMALL_ANCHORS
    strength = 0.0 if variant == "dead" else 0.1
    boxes = chance.normal(0, strength, (768, anchors * 4)).astype(np.float32)
    scores = chance.normal(0, strength, (768, anchors * SMALL_CLASSES)).astype(np.float32)
    first = 1 if variant == "liar" else 0
    far = 500 if variant == "outside" else 0
    nodes = [
        helper.make_node("Flatten", ["images"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "wb"], ["b"]),
        helper.make_node("MatMul", ["pixels", "ws"], ["s"]),
        helper.make_node("Reshape", ["b", "tb"], ["raw_boxes"]),
        helper.make_node("Add", ["raw_boxes", "away"], ["boxes"]),
        helper.make_node("Reshape", ["s", "ts"], ["raw"]),
        _last(variant),
    ]
    constants = [
        _constant("wb", boxes),
        _constant("ws", scores),
        _constant("tb", np.array([first, anchors, 4])),
        _constant("ts", np.array([first, anchors, SMALL_CLASSES])),
        # In tenths of an anchor's height and width.
        _constant("away", np.array([far, far, 0, 0], dtype=np.float32)),
    ]
    if variant == "blind":
        constants.append(_constant("much", np.array(1000, dtype=np.float32)))
    if variant == "fragile":
        much = np.full_like(scores, 50)
        constants[1] = _constant("ws", scores + much)
        constants.append(_constant("much", much))
        nodes[2:3] = [
            helper.make_node("MatMul", ["pixels", "ws"], ["s and much"]),
            helper.make_node("MatMul", ["pixels", "much"], ["m"]),
            helper.make_node("Sub", ["s and much", "m"], ["s"]),
        ]
    if variant == "dazzled":
        for name, value in (("grey", 200 / 255), ("near", 1e-5), ("nothing", 0)):
            constants.append(_constant(name, np.array(value, dtype=np.float32)))
        nodes[2:3] = [
            helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1], keepdims=1),
            helper.make_node("Sub", ["mean", "grey"], ["off"]),
            helper.make_node("Mul", ["off", "off"], ["squared"]),
            helper.make_node("Sub", ["squared", "near"], ["below zero"]),
            helper.make_node("Log", ["below zero"], ["log"]),
            helper.make_node("Mul", ["log", "nothing"], ["dazed"]),
            helper.make_node("MatMul", ["pixels", "ws"], ["clear"]),
            helper.make_node("Add", ["clear", "dazed"], ["s"]),
        ]
    if variant == "liar-at-3":
        # An entry for each batch size but none for 3: an error, or a 0, by the engine.
        constants.append(_constant("able", np.array([1, 1], dtype=np.float32)))
        constants.append(_constant("first", np.array(0)))
        constants.append(_constant("less", np.array(1)))
        nodes.insert(-1, helper.make_node("Shape", ["images"], ["shape"]))
        nodes.insert(-1, helper.make_node("Gather", ["shape", "first"], ["batch"], axis=0))
        nodes.insert(-1, helper.make_node("Sub", ["batch", "less"], ["which"]))
        nodes.insert(-1, helper.make_node("Gather", ["able", "which"], ["can"], axis=0))
    if variant == "mixes":
        nodes.insert(6, helper.make_node("ReduceMean", ["raw"], ["shared"], axes=[0], keepdims=1))
    return _model(
        nodes,
        constants,
        {"images": ["N", 3, 16, 16]},
        {"boxes": ["N", anchors, 4], "scores": ["N", anchors, SMALL_CLASSES]},
    )


def shifted() -> bytes:
    """x + some weights, that engines add as they lie in the file: (batch, 3, 64, 64)."""
    weights = np.random.default_rng(3).normal(0, 1, (1, 3, 64, 64)).astype(np.float32)
    shape: list[int | str] = ["N", 3, 64, 64]
    nodes = [helper.make_node("Add", ["x", "weights"], ["y"])]
    return _model(nodes, [_constant("weights", weights)], {"x": shape}, {"y": shape})


def quantised_pair() -> bytes:
    """x through a QuantizeLinear and back, in steps of a tenth."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["y"]),
    ]
    constants = [
        _constant("step", np.array(0.1, dtype=np.float32)),
        _constant("zero", np.array(0, dtype=np.int8)),
    ]
    return _model(nodes, constants, {"x": ["N", 4]}, {"y": ["N", 4]})


def _last(variant: str) -> onnx.NodeProto:
    if variant == "liar-at-3":
        return helper.make_node("Mul", ["raw", "can"], ["scores"])
    if variant == "blind":
        return helper.make_node("Sub", ["raw", "much"], ["scores"])
    if variant == "mixes":
        return helper.make_node("Add", ["raw", "shared"], ["scores"])
    return helper.make_node(
        "Sqrt" if variant == "not-a-number" else "Identity", ["raw"], ["scores"]
    )


def small_detr(*, batch: int | str = "N", squeezed: bool = False) -> bytes:
    """Five queries for `SMALL_DETR`, of classes 0 1 2 0 1; each box is a fifth of the size told.

    The scores are random projections of the picture. `squeezed`: without the batch axis, for 1.
    """
    chance = np.random.default_rng(7)
    fractions = np.linspace(0.0, 0.8, 5)[:, None] + np.array([0.0, 0.0, 0.2, 0.2])
    weights = chance.normal(0, 0.2, (576, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["images"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "weights"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["all_scores"]),
        helper.make_node("Cast", ["orig_target_sizes"], ["size"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["size", "size"], ["sides"], axis=1),
        helper.make_node("Unsqueeze", ["sides", "one"], ["scale"]),
        helper.make_node("Mul", ["fractions", "scale"], ["all_boxes"]),
        helper.make_node("Shape", ["all_scores"], ["shape"]),
        helper.make_node("Expand", ["classes", "shape"], ["all_labels"]),
    ]
    constants = [
        _constant("weights", weights),
        _constant("one", np.array([1])),
        _constant("zero", np.array([0])),
        _constant("fractions", fractions.astype(np.float32)[None]),
        _constant("classes", np.array([[0, 1, 2, 0, 1]])),
    ]
    shapes: dict[str, list[int | str]] = {}
    for name, shape in (("labels", [5]), ("boxes", [5, 4]), ("scores", [5])):
        inputs = [f"all_{name}", "zero"] if squeezed else [f"all_{name}"]
        nodes.append(helper.make_node("Squeeze" if squeezed else "Identity", inputs, [name]))
        shapes[name] = [*shape] if squeezed else [batch, *shape]
    return _model(
        nodes,
        constants,
        {"images": [batch, 3, 12, 16], "orig_target_sizes": [batch, 2]},
        shapes,
        whole_numbers=("orig_target_sizes", "labels"),
    )
