"""An ONNX file made ready for TensorRT: one graph, its batch free, in the precision asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from inference_worker.backends.base import free_batch
from inference_worker.backends.tensorrt.free_batch import BATCH, agrees, freed
from inference_worker.backends.tensorrt.half import half
from inference_worker.backends.tensorrt.quantised import is_quantised
from inference_worker.backends.tensorrt.shapes import Shapes
from runtime.errors import UserError


@dataclass(frozen=True)
class Ready:
    """What is to be built."""

    model: bytes
    max_batch: int  # as asked for; 1 where the graph takes no more
    shapes: dict[str, tuple[int, ...]]  # of each input, without the batch
    free: bool  # whether the batch is a free dimension


def ready(weights: Path, precision: str, max_batch: int, known: Shapes) -> Ready:
    """Read and rewrite the graph; takes a second.

    `known`: shapes without the batch, for inputs whose sides the graph leaves free; "": of an input
    that is not named.
    Raises UserError if it can't be read, or has what TensorRT doesn't take.
    """
    model = _read(weights)
    quantised = is_quantised(model, weights)
    free = free_batch(weights, [_size(port, 0) for port in model.graph.input])
    if not free and max_batch > 1:
        trial = freed(model)
        if free := trial is not None and agrees(model, trial):
            model = trial
    if precision == "float16":
        model = _half(model, weights, quantised=quantised)
    shapes = {port.name: _shape(port, known, weights) for port in model.graph.input}
    _write_shapes(model, shapes, free=free)
    return Ready(model.SerializeToString(), max_batch if free else 1, shapes, free)


def _read(weights: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(weights)
        if not model.graph.output:
            raise ValueError("it is no ONNX graph")
    except FileNotFoundError as error:
        raise UserError(f"{weights}: is not there") from error
    except Exception as error:  # of protobuf and onnx, without a common ancestor
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{weights}: TensorRT can't use this model: {reason}") from error
    constants = {one.name for one in model.graph.initializer}
    inputs = [port for port in model.graph.input if port.name not in constants]
    del model.graph.input[:]  # older graphs list their weights among the inputs
    model.graph.input.extend(inputs)
    return model


def _half(model: onnx.ModelProto, weights: Path, *, quantised: bool) -> onnx.ModelProto:
    if quantised:
        raise UserError(
            f"{weights}: is INT8 already, what is not stays float32: use `precision: float32`"
        )
    try:
        return half(model)
    except ImportError as error:
        raise UserError(
            "precision: float16: the graph is converted by the package onnxruntime, which is not"
            " installed: pip install onnxruntime, or use `precision: float32`"
        ) from error
    except Exception as error:  # of the converter, which has no errors of its own
        raise UserError(
            f"{weights}: can't be made float16: {error}; use `precision: float32`"
        ) from error


def _size(port: onnx.ValueInfoProto, axis: int) -> int | None:
    """None where it is free."""
    dims = port.type.tensor_type.shape.dim
    if axis >= len(dims) or not dims[axis].HasField("dim_value"):
        return None
    return int(dims[axis].dim_value)


def _shape(port: onnx.ValueInfoProto, known: Shapes, weights: Path) -> tuple[int, ...]:
    axes = range(1, len(port.type.tensor_type.shape.dim))
    sizes = [_size(port, axis) for axis in axes]
    if None not in sizes:
        return tuple(size for size in sizes if size is not None)
    given = known.get(port.name, known.get("", ()))
    if len(given) != len(sizes) or any(
        size not in (None, wanted) for size, wanted in zip(sizes, given, strict=True)
    ):
        raise UserError(
            f"{weights}: the input {port.name!r} has sides that the graph leaves free"
            f" ({', '.join('?' if size is None else str(size) for size in sizes)});"
            " TensorRT builds for fixed ones: export it with them, or give the model a manifest"
        )
    return tuple(given)


def _write_shapes(model: onnx.ModelProto, shapes: Shapes, *, free: bool) -> None:
    """One name for the batch of all inputs, and their sides, now that they are known."""
    for port in model.graph.input:
        dims = port.type.tensor_type.shape.dim
        if free and len(dims):
            dims[0].Clear()
            dims[0].dim_param = BATCH
        for dim, size in zip(dims[1:], shapes[port.name], strict=True):
            dim.Clear()
            dim.dim_value = size
