"""What is to be quantised, and the form that was settled on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference_worker.backends.base import Image
from inference_worker.quantising.calibration import Method, Range
from inference_worker.quantising.recipes import Recipe, Style
from inference_worker.quantising.search import Trial
from inference_worker.settings import InferSettings
from inference_worker.store import AssetPath

Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """What is to be quantised, and how."""

    settings: InferSettings  # `model`: the float one
    asset_path: AssetPath
    recipe: Recipe
    pictures: Sequence[Image]
    name: str  # of the new model
    root: Path  # folder of models
    replace: bool = False
    anyway: bool = False  # keep it too where it doesn't pay
    patience_s: float = 600.0  # for finding what must stay float


@dataclass(frozen=True)
class Form:
    """A way to quantise that was settled on."""

    style: Style
    method: Method
    ranges: Mapping[str, Range]
    able: Sequence[str]
    nodes: Sequence[str]
    trial: Trial
