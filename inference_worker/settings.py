"""The `infer` section of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from inference_worker.choosing.cores import cores
from runtime.settings import Section


class InferSettings(Section):
    """The inference worker: which model, on which engine, in what batches."""

    model: Annotated[str, Field(min_length=1)] = Field(
        default="ssd-mobilenet-v2", description="Name of the model that serves."
    )
    model_folders: tuple[Path, ...] = Field(
        default=(Path(".onehertz/models"),),
        description="Folders with models of your own, which `onehertz models add` makes; an earlier"
        " one hides a model of the same name in a later one, and all hide those of onehertz.",
    )
    backend: Literal["auto", "openvino", "onnxruntime", "tensorrt"] = Field(
        default="auto",
        description="Inference engine; auto takes the one measured to be faster on this machine."
        " tensorrt (GPU) builds an engine for minutes, once (`onehertz models build`).",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description="Where it runs; auto takes a GPU if there is one that an installed engine can"
        " use, cuda refuses to start without.",
    )
    cpu_fallback: bool = Field(
        default=False,
        description="With `device: auto`: where an engine for a GPU is installed, but none can be"
        " used, run on the CPU, and say so as an error; else such a worker refuses to start.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto",
        description="Arithmetic of the engine. bfloat16 and float16 (OpenVINO, where the processor"
        " has them; float16: tensorrt too) are faster and move boxes a little; auto takes them only"
        " for a model that passes the admission test with them. What is INT8 is so in the model.",
    )
    threads: Annotated[int, Field(ge=0, le=1024)] = Field(
        default=0, description="Threads of the engine; 0: one per core that the process may use."
    )
    p95_ms: Annotated[float, Field(gt=0, le=600_000)] = Field(
        default=300.0,
        description="Wanted: 95 of 100 frames have their result so soon after the worker has read"
        " them, in ms. Batches are as large as that allows; while more comes than they carry, as"
        " large as carries most.",
    )
    streams: Annotated[int, Field(ge=0, le=64)] | None = Field(
        default=None,
        description="Images inferred side by side, each alone, by the threads together; 0: a batch"
        " as one; empty: the way measured to be faster on this machine. CPU only.",
    )
    max_batch: Annotated[int, Field(ge=1, le=256)] = Field(
        default=8, description="Frames in a batch at most."
    )
    max_wait_ms: Annotated[float, Field(ge=0, le=60_000)] = Field(
        default=100.0,
        description="How long a frame may wait for others to come into its batch, in ms at most.",
    )
    max_age_s: Annotated[float, Field(gt=0, le=31_536_000)] | None = Field(
        default=None,
        description="A frame that was captured longer ago is not inferred any more but rejected:"
        " stale; empty: never. By this machine's clock, so a run is then not repeatable.",
    )
    max_in_flight: Annotated[int, Field(ge=2, le=100_000)] = Field(
        default=2_048,
        description="Records that are read and not yet published at most; reading pauses there.",
    )
    max_in_flight_mb: Annotated[float, Field(ge=1, le=65_536)] = Field(
        default=128.0, description="The same for their pictures (JPEG), in MB."
    )
    score_threshold: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Least score of a detection; empty: the model's own."
    )

    @field_validator("precision", mode="before")
    @classmethod
    def _int8_is_of_the_model(cls, value: object) -> object:
        if value == "int8":
            raise ValueError(
                "INT8 is no setting but a model of its own: `onehertz models quantize NAME` makes"
                " it, and infer.model names it"
            )
        return value

    @model_validator(mode="after")
    def _a_batch_has_room(self) -> Self:
        if self.max_in_flight < self.max_batch:
            raise ValueError(
                f"max_in_flight ({self.max_in_flight}) must not be below max_batch"
                f" ({self.max_batch}): no batch could get full"
            )
        return self

    @property
    def engine_threads(self) -> int:
        """`threads`, with 0 made a number."""
        return self.threads or cores()
