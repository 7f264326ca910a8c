"""The ways to run a model on this machine that the settings leave open. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from inference_worker.backends.base import EngineOptions
from inference_worker.backends.choice import Device, Engine, Place
from inference_worker.manifest import Input
from inference_worker.settings import InferSettings

FLOAT32 = "float32"
_CAN: dict[Engine, tuple[str, ...]] = {
    "openvino": (FLOAT32, "bfloat16", "float16"),
    "onnxruntime": (FLOAT32,),
    "tensorrt": (FLOAT32, "float16"),
}


class Plan(msgspec.Struct, frozen=True):
    """One way to run a model."""

    engine: Engine
    device: Device
    precision: str
    threads: int
    streams: int  # see `EngineOptions.streams`

    @property
    def place(self) -> Place:
        return Place(self.engine, self.device)

    def options(
        self, max_batch: int, cache: Path | None = None, frames: Input | None = None
    ) -> EngineOptions:
        return EngineOptions(self.threads, max_batch, self.precision, self.streams, cache, frames)

    def __str__(self) -> str:
        side = f"{self.streams} side by side" if self.streams else "batches as one"
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        return f"{self.engine} ({self.device}, {self.precision}), {threads}, {side}"


def plans(
    settings: InferSettings, places: Iterable[Place], half_precisions: Iterable[str]
) -> list[Plan]:
    """The one to take unmeasured first; a single one where the settings say everything.

    `places`: that read the model, the preferred one first. `half_precisions`: those for which
    OpenVINO finds instructions on this processor. ONNX Runtime computes as the graph says.
    """
    threads = settings.engine_threads
    found = [
        Plan(place.engine, place.device, precision, threads, streams)
        for place in places
        for precision in _precisions(settings, place, half_precisions)
        for streams in _streams(settings, place, threads)
    ]
    able = [plan for plan in found if plan.precision in _CAN[plan.engine]]
    return able or found[:1]  # one that can't is left: to open it says why not


def _precisions(settings: InferSettings, place: Place, half: Iterable[str]) -> list[str]:
    if settings.precision != "auto":
        return [settings.precision]
    if place.engine == "tensorrt":
        return [FLOAT32, "float16"]
    return [FLOAT32, *half] if place.engine == "openvino" else [FLOAT32]


def _streams(settings: InferSettings, place: Place, threads: int) -> list[int]:
    """A batch as one; a thread for each image; on larger machines two threads for each."""
    if place.device != "cpu":
        return [0]
    if settings.streams is not None:
        return [settings.streams]
    counts = [threads, threads // 2] if threads >= 4 else [threads]
    return [0, *dict.fromkeys(min(count, settings.max_batch) for count in counts)]
