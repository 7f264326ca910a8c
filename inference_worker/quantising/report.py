"""What came of quantising a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inference_worker.admission.parity import Parity
from inference_worker.quantising.speed import Speed


@dataclass(frozen=True)
class Report:
    """What came of it."""

    name: str
    written: Path | None
    refusal: str  # empty: it is fit to serve
    worth: str  # why it doesn't pay; empty: it does, or can't be measured here
    method: str
    nodes: int  # that are INT8
    float_nodes: int  # that could be and stayed float
    size_bytes: int
    float_size_bytes: int
    calibrated_on: int
    held_out: int
    parity: Parity | None  # on pictures that were not used for calibration
    speeds: tuple[Speed, ...]
