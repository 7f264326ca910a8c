"""Models, pictures, time and folders of a run on a GPU."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gpu.models import read_kinds
from inference_worker.settings import InferSettings
from runtime.errors import UserError

MODELS, PICTURES, SECONDS = "ONEHERTZ_GPU_MODELS", "ONEHERTZ_GPU_PICTURES", "ONEHERTZ_GPU_SECONDS"
TEN_MINUTES_S = 600.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Site:
    """Where a run finds what it needs."""

    models: Path  # folder of models, see `models.py`
    pictures: Path  # with `images/` and `labels/` (YOLO)
    cache: Path  # for engines; empty at first
    load_s: float = TEN_MINUTES_S
    max_batch: int = 32
    python: tuple[str, ...] = (sys.executable,)  # of the processes that are started
    say: Callable[[str], None] = print

    def settings(self, model: str) -> InferSettings:
        return InferSettings(
            model=model, model_folders=(self.models,), max_batch=self.max_batch, threads=0
        )

    def names(self, *, int8: bool) -> list[str]:
        """Of the models of one kind. Raises UserError where they were not made."""
        return read_kinds(self.models).names(int8=int8)

    def float_of(self, name: str) -> str:
        """The model that an INT8 one was made of."""
        return read_kinds(self.models).int8[name]


def site(cache: Path, environment: Mapping[str, str] = os.environ) -> Site:
    """As the environment says; by default beside the checkout. Raises UserError."""
    models = Path(environment.get(MODELS, _ROOT / ".gpu" / "models"))
    pictures = Path(environment.get(PICTURES, _ROOT.parent / "shared/data/annotated/coco64"))
    if not models.is_dir():
        raise UserError(
            f"{models}: no models there; `python -m benchmarks.gpu.models` makes them on any"
            f" machine; or name their folder: {MODELS}"
        )
    if not pictures.is_dir():
        raise UserError(f"{pictures}: no labelled pictures there; name their folder: {PICTURES}")
    return Site(models, pictures, cache, float(environment.get(SECONDS, TEN_MINUTES_S)))
