"""Which model serves, and what is told of it."""

from __future__ import annotations

import logging

from inference_worker.detector import Detector
from inference_worker.loop.swap import Loaded, ModelSwap
from runtime.metrics import Metrics

log = logging.getLogger("onehertz.infer")


class Serving:
    """Names the model that serves, and what became of those that were to take its place."""

    def __init__(self, metrics: Metrics, detector: Detector, swap: ModelSwap | None) -> None:
        self._metrics = metrics
        self._detector = detector
        self._swap = swap
        self._name(1)

    def look(self) -> Loaded | None:
        """A model that has passed its test: it serves from now on."""
        outcome = self._swap.look() if self._swap is not None else None
        if outcome is None:
            return None
        if not isinstance(outcome, Loaded):
            self._metrics.count("onehertz_model_swaps_total", result="refused")
            log.error("refused: %s; %s goes on serving", outcome, self._detector.name)
            return None
        log.info("%s serves in place of %s", outcome.detector.name, self._detector.name)
        self._metrics.count("onehertz_model_swaps_total", result="swapped")
        self._name(0)
        self._detector = outcome.detector
        self._name(1)
        return outcome

    def _name(self, serves: int) -> None:
        backend = self._detector.backend
        self._metrics.set(
            "onehertz_model_info",
            serves,
            model=self._detector.name,
            backend=backend.name,
            device=backend.device,
            precision=backend.precision,
        )
