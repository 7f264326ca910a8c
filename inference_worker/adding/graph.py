"""What an ONNX file says of itself, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime as ort

from inference_worker.backends.base import Tensor, batch_first
from runtime.errors import FatalError, UserError

_FATAL_ONLY = 4
# Of ONNX Runtime's names of types; a type that is not here is left as it is.
_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}


@dataclass(frozen=True)
class Port:
    """An input or an output as it is declared; None: a size that is free."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name!r} {self.dtype} {shape_text(self.shape)}"


@dataclass(frozen=True)
class Graph:
    """An ONNX file that ONNX Runtime has read."""

    path: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str]
    _session: ort.InferenceSession = field(repr=False)

    def answer(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The outputs for one picture, with the batch first even where the graph squeezes it away.

        Raises UserError if the graph fails on it.
        """
        names = [port.name for port in self.outputs]
        try:
            arrays = self._session.run(names, dict(inputs))
            return {
                name: batch_first(name, np.asarray(array), 1)
                for name, array in zip(names, arrays, strict=True)
            }
        except FatalError as error:
            raise UserError(f"{self.path}: {error}") from error
        except Exception as error:  # its exceptions have no common ancestor below this one
            raise UserError(
                f"{self.path}: the graph fails on a picture: {first_line(error)}"
            ) from error


def read_graph(path: Path) -> Graph:
    """Raises UserError if the file is no ONNX graph that ONNX Runtime can run."""
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_ONLY  # what is wrong is told once, by the error
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise UserError(
            f"{path}: ONNX Runtime can't read this file: {first_line(error)}"
        ) from error
    return Graph(
        path,
        tuple(map(_port, session.get_inputs())),
        tuple(map(_port, session.get_outputs())),
        dict(session.get_modelmeta().custom_metadata_map),
        session,
    )


def shape_text(shape: tuple[int | None, ...]) -> str:
    """[any, 3, 640, 640]"""
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"


def first_line(error: Exception) -> str:
    """Of what an engine says, which may be a page."""
    return next((line for line in str(error).splitlines() if line.strip()), "no reason given")


def _port(port: ort.NodeArg) -> Port:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in port.shape)
    return Port(port.name, _TYPES.get(port.type, port.type), shape)
