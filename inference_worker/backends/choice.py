"""Opens the engine that the settings ask for."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from inference_worker.backends.base import Backend, EngineOptions
from runtime.errors import UserError

Engine = Literal["openvino", "onnxruntime"]

# In the order in which `auto` prefers them.
_ENGINES: tuple[Engine, ...] = ("openvino", "onnxruntime")


def installed_engines() -> tuple[Engine, ...]:
    """Those whose Python package is there, the preferred one first."""
    return tuple(engine for engine in _ENGINES if find_spec(engine) is not None)


def open_backend(
    engine: Engine | Literal["auto"], weights: Path, options: EngineOptions
) -> Backend:
    """Load the weights. `auto`: the first engine that is installed and reads this kind of file.

    Raises UserError if no such engine is there, or it can't use the weights.
    """
    installed = installed_engines()
    chosen = engine
    if chosen == "auto":
        able = [one for one in installed if one != "onnxruntime" or weights.suffix == ".onnx"]
        if not able:
            raise UserError(
                f"no inference engine for {weights.name} is installed:"
                " pip install 'onehertz[worker-cpu]'"
            )
        chosen = able[0]
    elif chosen not in installed:
        raise UserError(f"{chosen} is not installed: pip install 'onehertz[worker-cpu]'")
    # Imported here: an engine is heavy, and only one of them need be installed.
    if chosen == "openvino":
        from inference_worker.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(weights, options)
    from inference_worker.backends.onnxruntime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(weights, options)
