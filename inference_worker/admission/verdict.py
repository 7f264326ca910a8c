"""What the admission test says."""

from __future__ import annotations

from dataclasses import dataclass

from inference_worker.admission.parity import Parity
from inference_worker.detector import Detector
from runtime.errors import UserError


class NotFit(UserError):
    """The model is not fit to serve; `why` is what failed, alone."""

    def __init__(self, detector: Detector, why: str, parity: Parity | None = None) -> None:
        backend = detector.backend
        super().__init__(
            f"the model {detector.name} is not fit to serve on {backend.name}"
            f" ({backend.device}, {backend.precision}): {why};"
            " try another `backend` or `precision`, `max_batch: 1`, or another model"
        )
        self.why = why
        self.parity = parity


class TooSlow(NotFit):
    """It is fit, but for its speed against what serves now."""


@dataclass(frozen=True)
class Verdict:
    """What the admission test saw of a model that passed."""

    batch_sizes: tuple[int, ...]
    # Whether every image gave the same bits in all batches; else its boxes were nearly the same.
    repeats_bits: bool
    boxes: int  # that were compared from batch to batch, above a low score
    parity: Parity | None = None  # None: there was no reference to compare with
    without_reference: str = ""  # why
    images_per_s: float = 0.0  # of the engine alone, at its best batch size
