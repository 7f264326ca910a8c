"""The engine for a model on the GPU at hand: out of the cache, or built."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import tensorrt as trt

from inference_worker.backends.base import EngineOptions
from inference_worker.backends.onnx_files import hash_of
from inference_worker.backends.tensorrt.device import Device
from inference_worker.backends.tensorrt.engine_cache import (
    EngineCache,
    Stored,
)
from inference_worker.backends.tensorrt.engine_key import EngineKey, Sidecar
from inference_worker.backends.tensorrt.profiles import Profile, fitted
from inference_worker.backends.tensorrt.progress import LoggedProgress, Told
from inference_worker.backends.tensorrt.shapes import known_shapes
from inference_worker.whole_file import write_whole
from runtime.errors import UserError

logger = logging.getLogger(__name__)

PRECISIONS = ("float32", "float16")


class Engines:
    """Finds and builds engines of one model file, for one way to run it."""

    def __init__(
        self, weights: Path, options: EngineOptions, device: Device, told: Told | None = None
    ) -> None:
        """`told`: how far a build is; None: lines in the log. Raises UserError."""
        if weights.suffix != ".onnx":
            raise UserError(f"{weights}: TensorRT reads only .onnx")
        if options.precision not in PRECISIONS:
            raise UserError(
                f"TensorRT has no {options.precision} here; use one of {', '.join(PRECISIONS)}"
            )
        self._weights = weights
        self._options = options
        self._device = device
        self._told = told
        self._cache = EngineCache(options.cache)
        self._shapes = known_shapes(options.frames)
        self.key = EngineKey(
            model=_hash(weights),
            tensorrt=trt.__version__,
            gpu=device.gpu.name,
            compute_capability=device.gpu.compute_capability,
            precision=options.precision,
            profiles=fitted(options.max_batch),
            shapes=dict(self._shapes),
        )

    def find(self) -> Stored:
        """Raises UserError that says why there is none."""
        return self._cache.engine(self.key, self._build)

    def instead_of(self, stored: Stored, why: str) -> Stored:
        """Another one, since TensorRT refuses this one. Raises UserError, as for a new one too."""
        if stored.built:
            raise UserError(f"{self._weights}: TensorRT refuses the engine that it built: {why}")
        self._cache.discard(stored, why)
        return self.find()

    def _build(self, beat: Callable[[], None]) -> tuple[bytes, Sidecar]:
        # Imported here: what only a build needs takes .5 s, and onnx and ONNX Runtime.
        from inference_worker.backends.tensorrt.build import build
        from inference_worker.backends.tensorrt.graph import ready

        what = self._weights.name
        logger.info(
            "building an engine of %s (%s) for %s: this takes minutes, once",
            what, self.key.precision, self.key.gpu,
        )  # fmt: skip
        began_s = time.monotonic()
        graph = ready(self._weights, self.key.precision, self._options.max_batch, self._shapes)
        profiles = self.key.profiles if graph.free else (Profile(1, 1, 1),)
        timings = _Timings(self._cache.folder, self.key)
        told = self._told or LoggedProgress(what, time.monotonic)
        built = build(what, graph, profiles, self._device, timings.read(), told, beat)
        timings.write(built.timings)
        took_s = time.monotonic() - began_s
        logger.info("built the engine of %s in %.0f s", what, took_s)
        return built.engine, Sidecar(
            key=self.key,
            name=what,
            sha256=hashlib.sha256(built.engine).hexdigest(),
            max_batch=graph.max_batch,
            profiles=profiles,
            build_s=round(took_s, 1),
            built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )


class _Timings:
    """How fast kernels are on this GPU: a file for each GPU and TensorRT, which models share."""

    def __init__(self, folder: Path | None, key: EngineKey) -> None:
        what = f"{key.tensorrt} {key.gpu} {key.compute_capability}"
        name = hashlib.sha256(what.encode()).hexdigest()[:16]
        self._path = None if folder is None else folder / f"{name}.timings"

    def read(self) -> bytes:
        """Nothing where there are none."""
        try:
            return self._path.read_bytes() if self._path is not None else b""
        except OSError:
            return b""

    def write(self, content: bytes) -> None:
        """Without them the next build only takes longer."""
        if self._path is None or not content:
            return
        try:
            write_whole(self._path, content)
        except OSError as error:
            logger.warning("%s can't be written (%s)", self._path, error)


def _hash(weights: Path) -> str:
    try:
        return hash_of(weights)
    except OSError as error:
        raise UserError(f"{weights}: can't be read: {error.strerror or error}") from error
    except Exception as error:  # protobuf's, for a file that is no graph
        raise UserError(f"{weights}: TensorRT can't use this model: it is no ONNX") from error
