"""ONNX Runtime on the CPU: reads ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort

from inference_worker.backends.base import (
    EngineOptions,
    Outputs,
    Tensor,
    batch_size,
    by_image,
    free_batch,
)
from runtime.errors import FatalError, UserError

_ERRORS_ONLY = 3  # of ONNX Runtime's log levels


class OnnxRuntimeBackend:
    """One ONNX model in a session on the CPU. It computes in the precision of the graph."""

    name = "onnxruntime"
    device = "cpu"
    precision = "float32"

    def __init__(self, weights: Path, options: EngineOptions) -> None:
        """Raises UserError if ONNX Runtime can't read the file or do what the options ask for."""
        if weights.suffix != ".onnx":
            raise UserError(f"{weights}: ONNX Runtime reads only .onnx; use `backend: openvino`")
        if options.precision != "float32":
            raise UserError(
                f"ONNX Runtime has no {options.precision} on a CPU; use `precision: float32`,"
                " or `backend: openvino`"
            )
        try:
            self._session = ort.InferenceSession(
                str(weights), _session_options(options), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no common ancestor below this one
            raise UserError(f"{weights}: ONNX Runtime can't use this model: {error}") from error
        inputs = self._session.get_inputs()
        self.input_names = tuple(port.name for port in inputs)
        self._output_names = tuple(port.name for port in self._session.get_outputs())
        # A size that is free is a name or None, a fixed one a number.
        sizes = [port.shape[0] if isinstance(port.shape[0], int) else None for port in inputs]
        self.max_batch = options.max_batch if free_batch(weights, sizes) else 1

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        """See `Backend.infer`."""
        batch = batch_size(inputs, self.input_names, self.max_batch)
        try:
            results = self._session.run(self._output_names, dict(inputs))
        except Exception as error:  # as above
            raise FatalError(f"ONNX Runtime failed on a batch of {batch}: {error}") from error
        return {
            name: by_image(name, array, batch)
            for name, array in zip(self._output_names, results, strict=True)
        }


def _session_options(options: EngineOptions) -> ort.SessionOptions:
    session = ort.SessionOptions()
    session.intra_op_num_threads = options.threads
    session.inter_op_num_threads = 1
    session.log_severity_level = _ERRORS_ONLY
    # Threads that spin while they wait would take the cores from the other roles of the machine.
    session.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return session
