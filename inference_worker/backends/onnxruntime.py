"""ONNX Runtime on the CPU, or by CUDA on a GPU: reads ONNX.

On a GPU it has been run by nobody yet: docs/containers.md says what was tried without one.
"""

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
from inference_worker.backends.onnx_files import has_more_files
from inference_worker.backends.streams import Streams
from runtime.errors import FatalError, UserError

_ERRORS_ONLY = 3  # of ONNX Runtime's log levels


# Float32 as on a CPU, not the shorter TF32; and an algorithm found by rule, not by a race, which
# would choose another one, with other last bits, from start to start.
_CUDA = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
_CPU_PROVIDER, _CUDA_PROVIDER = "CPUExecutionProvider", "CUDAExecutionProvider"
Providers = list[str | tuple[str, dict[str, str]]]


class OnnxRuntimeBackend:
    """One ONNX model in a session on one device. It computes in the precision of the graph."""

    lanes = 1

    name = "onnxruntime"

    def __init__(self, weights: Path, options: EngineOptions, device: str = "cpu") -> None:
        """`device`: "cpu" or "cuda".

        Raises UserError if ONNX Runtime can't read the file or do what the options ask for.
        """
        self.device = device
        self.precision = options.precision
        if weights.suffix != ".onnx":
            raise UserError(f"{weights}: ONNX Runtime reads only .onnx; use `backend: openvino`")
        if options.precision != "float32":
            raise UserError(
                f"ONNX Runtime has no {options.precision} here; use `precision: float32`,"
                " or `backend: openvino`"
            )
        try:
            self._session = _session(weights, options, _providers(device))
        except UserError:
            raise
        except Exception as error:  # its exceptions have no common ancestor below this one
            raise UserError(f"{weights}: ONNX Runtime can't use this model: {error}") from error
        inputs = self._session.get_inputs()
        self.input_names = tuple(port.name for port in inputs)
        self._output_names = tuple(port.name for port in self._session.get_outputs())
        # A size that is free is a name or None, a fixed one a number.
        sizes = [port.shape[0] if isinstance(port.shape[0], int) else None for port in inputs]
        free = free_batch(weights, sizes)
        self.max_batch = options.max_batch if free or options.streams else 1
        # A session may be run by several threads at once.
        sessions = [self._session] * options.streams
        self._streams = Streams(sessions, self._run) if sessions else None

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        """See `Backend.infer`."""
        batch = batch_size(inputs, self.input_names, self.max_batch)
        if self._streams is not None:
            return self._streams.infer(inputs, batch)
        return self._run(self._session, inputs)

    def close(self) -> None:
        """See `Backend.close`."""
        if self._streams is not None:
            self._streams.close()

    def _run(self, session: ort.InferenceSession, inputs: Mapping[str, Tensor]) -> Outputs:
        batch = len(next(iter(inputs.values())))
        try:
            results = session.run(self._output_names, dict(inputs))
        except Exception as error:  # as above
            raise FatalError(f"ONNX Runtime failed on a batch of {batch}: {error}") from error
        return {
            name: by_image(name, array, batch)
            for name, array in zip(self._output_names, results, strict=True)
        }


def _providers(device: str) -> Providers:
    return [_CPU_PROVIDER] if device == "cpu" else [(_CUDA_PROVIDER, _CUDA), _CPU_PROVIDER]


def _session(weights: Path, options: EngineOptions, providers: Providers) -> ort.InferenceSession:
    """Raises UserError where it would quietly run on the CPU instead of the GPU."""
    if len(providers) > 1:
        ort.preload_dlls()  # of CUDA and cuDNN, as pip has installed them
    session = ort.InferenceSession(
        _in_memory(weights), _session_options(options), providers=providers, enable_fallback=False
    )
    wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
    if wanted not in session.get_providers():
        raise UserError(
            "infer.device: ONNX Runtime can't use the GPU, its reason is above;"
            " the libraries of CUDA and cuDNN come with pip install 'onehertz[worker-gpu]'"
        )
    return session


def _in_memory(weights: Path) -> str | bytes:
    """The file's path; of a graph with weights in files beside it (external data), all as one.

    ONNX Runtime maps those files: written over while they serve, they give other boxes, and cut
    short, they end the process with a SIGBUS (1.31).
    """
    if not has_more_files(weights):
        return str(weights)
    try:
        import onnx  # takes 0.2 s, and few graphs need it
    except ImportError:  # the extra `models`, which a worker may lack: then they are mapped
        return str(weights)
    return bytes(onnx.load(weights).SerializeToString())


def _session_options(options: EngineOptions) -> ort.SessionOptions:
    session = ort.SessionOptions()
    session.intra_op_num_threads = max(1, options.threads // (options.streams or 1))
    session.inter_op_num_threads = 1
    session.log_severity_level = _ERRORS_ONLY
    # Threads that spin while they wait would take the cores from the other roles of the machine.
    session.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return session
