"""OpenVINO on the CPU: reads ONNX, TFLite and TensorFlow graphs directly.

On the default detector every frame got the same bits alone and in batches of 2, 3, 4, 5, 7, 8 and
16, on 1 and on 2 threads, at float32 and at bfloat16 (OpenVINO 2026.4, AVX-512).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import openvino as ov
from openvino import opset13

from inference_worker.backends.base import (
    EngineOptions,
    Outputs,
    Tensor,
    batch_size,
    by_image,
    free_batch,
)
from inference_worker.backends.compiled import compiled_folder
from inference_worker.backends.signal_stack import signal_stack_kept
from inference_worker.backends.streams import Streams
from runtime.errors import FatalError, UserError

_PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_NAMES = {short: name for name, short in _PRECISIONS.items()}


class OpenVinoBackend:
    """One model compiled for the CPU."""

    name = "openvino"
    device = "cpu"
    lanes = 1

    def __init__(self, weights: Path, options: EngineOptions) -> None:
        """Raises UserError if OpenVINO can't read or compile the file."""
        try:
            core = unmapped_core()
            model = core.read_model(weights)
            free = free_batch(weights, [_fixed_batch(port) for port in model.inputs])
            self.max_batch = options.max_batch
            if options.streams:
                _fix_batch_size(model)
            elif not (free or _free_batch_size(model)):
                self.max_batch = 1
            with signal_stack_kept():
                compiled = core.compile_model(model, "CPU", _properties(options))
        except RuntimeError as error:
            raise UserError(
                f"{weights}: OpenVINO can't use this model: {_reason(error)}"
            ) from error
        computes_in = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        self.precision = _NAMES.get(computes_in, computes_in)
        self.input_names = tuple(map(_input_name, compiled.inputs))
        # OpenVINO drops Identity nodes: an output then has their inputs' names too, in any order.
        self._output_names = [sorted(port.get_names()) for port in compiled.outputs]
        requests = [compiled.create_infer_request() for _ in range(options.streams or 1)]
        self._request = requests[0]
        self._streams = Streams(requests, self._run) if options.streams else None

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        """See `Backend.infer`."""
        batch = batch_size(inputs, self.input_names, self.max_batch)
        if self._streams is not None:
            return self._streams.infer(inputs, batch)
        return self._run(self._request, inputs)

    def close(self) -> None:
        """See `Backend.close`."""
        if self._streams is not None:
            self._streams.close()

    def _run(self, request: ov.InferRequest, inputs: Mapping[str, Tensor]) -> Outputs:
        batch = len(next(iter(inputs.values())))
        try:
            # Inputs are shared (a copy less); outputs are copied, since the request reuses them.
            result = request.infer(dict(inputs), share_inputs=True, share_outputs=False)
        except RuntimeError as error:
            raise FatalError(f"OpenVINO failed on a batch of {batch}: {_reason(error)}") from error
        outputs = {}
        for index, names in enumerate(self._output_names):
            array = by_image(names[0], result[index], batch)
            outputs.update(dict.fromkeys(names, array))
        return outputs


def unmapped_core() -> ov.Core:
    """One that reads files into memory of its own.

    Mapped, as OpenVINO has it by default, weights and compiled models in its cache stay the file:
    written over while they serve, they give other boxes, and cut short, they end the process with
    a SIGBUS (OpenVINO 2026.4). It costs up to 4 MB for the models of docs/models.md, and no time.
    """
    core = ov.Core()
    core.set_property({"ENABLE_MMAP": False})
    return core


def half_precisions() -> tuple[str, ...]:
    """The shorter arithmetics that this processor has instructions for."""
    able = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(
        name for name, short in (("bfloat16", "BF16"), ("float16", "FP16")) if short in able
    )


def _properties(options: EngineOptions) -> dict[str, str | int | bool]:
    kept = {} if options.cache is None else {"CACHE_DIR": str(compiled_folder(options.cache))}
    return {
        "PERFORMANCE_HINT": "THROUGHPUT" if options.streams > 1 else "LATENCY",
        "NUM_STREAMS": options.streams or 1,
        "INFERENCE_NUM_THREADS": options.threads,
        "INFERENCE_PRECISION_HINT": _PRECISIONS[options.precision],
        # Pinned threads of several workers on one machine would all sit on the same cores.
        "ENABLE_CPU_PINNING": False,
        **kept,
    }


def _input_name(port: ov.ConstOutput) -> str:
    """The graph's own name of an input, of all that it has."""
    own = str(port.get_node().get_friendly_name())
    return own if own in port.get_names() else str(port.get_any_name())


def _fixed_batch(port: ov.Output) -> int | None:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic or len(shape) == 0 or shape[0].is_dynamic:
        return None
    return int(shape[0].get_length())


def _fix_batch_size(model: ov.Model) -> None:
    """Make a free batch size 1: what is known of a graph beforehand makes it faster."""
    model.reshape(_with_batch(model, ov.Dimension(1)))


def _free_batch_size(model: ov.Model) -> bool:
    """Make a fixed batch size free; False if the model can't do it (it stays as it was).

    A model exported for one image often has its batch of 1 written into the target shapes of its
    Reshape nodes too. Those get a 0, "as in the input", instead.
    """
    trial = model.clone()
    _free_reshapes(trial)
    try:
        trial.reshape(_with_batch(trial, ov.Dimension()))
    except RuntimeError:
        return False
    if not all(map(_only_batch_freed, model.outputs, trial.outputs)):
        return False
    _free_reshapes(model)
    model.reshape(_with_batch(model, ov.Dimension()))
    return True


def _only_batch_freed(before: ov.Output, after: ov.Output) -> bool:
    """Whether an output had a batch of 1, which is free now, with all else as it was."""
    old, new = before.get_partial_shape(), after.get_partial_shape()
    if _fixed_batch(before) != 1 or _fixed_batch(after) is not None or len(old) != len(new):
        return False
    return all(old[axis] == new[axis] for axis in range(1, len(old)))


def _with_batch(model: ov.Model, batch: ov.Dimension) -> dict[ov.Output, ov.PartialShape]:
    shapes = {}
    for port in model.inputs:
        shape = port.get_partial_shape()
        shape[0] = batch
        shapes[port] = shape
    return shapes


def _free_reshapes(model: ov.Model) -> None:
    fixed = [node for node in _computed(model) if _has_fixed_batch(node)]
    for node in fixed:
        target = node.input_value(1).get_node().get_data().copy()
        target[0] = 0
        free = opset13.reshape(node.input_value(0), opset13.constant(target), special_zero=True)
        free.set_friendly_name(node.get_friendly_name())
        node.output(0).replace(free.output(0))


def _computed(model: ov.Model) -> list[ov.Node]:
    """Nodes that depend on the model's inputs, in order: not those that only unpack weights."""
    seen = {node.get_name() for node in model.get_parameters()}
    nodes = []
    for node in model.get_ordered_ops():
        if any(port.get_node().get_name() in seen for port in node.input_values()):
            seen.add(node.get_name())
            nodes.append(node)
    return nodes


def _has_fixed_batch(node: ov.Node) -> bool:
    if node.get_type_name() != "Reshape":
        return False
    target = node.input_value(1).get_node()
    data = node.input_value(0).get_partial_shape()
    if target.get_type_name() != "Constant" or data.rank.is_dynamic or len(data) == 0:
        return False
    return bool(data[0] == 1) and list(target.get_data())[:1] == [1]


def _reason(error: Exception) -> str:
    """The first line that says what is wrong, of a page that begins with where in the source."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("Exception from ")]
    telling.sort(key=lambda line: "operations: " not in line)  # names what OpenVINO lacks
    return (telling or lines or ["no reason given"])[0]
