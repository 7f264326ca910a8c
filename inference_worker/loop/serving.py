"""Which model serves, and what is told of it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Final, NamedTuple

from inference_worker.detector import Detector
from inference_worker.loop.swap import Loaded, ModelSwap
from runtime.metrics import Metrics

log = logging.getLogger("onehertz.infer")


_PACES: Final = 20
_PRESENT_S: Final = 30.0


class _Pace(NamedTuple):
    at_s: float
    images_per_s: float


class Serving:
    """Names the model that serves, and what became of those that were to take its place."""

    def __init__(
        self,
        metrics: Metrics,
        detector: Detector,
        swap: ModelSwap | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics
        self._detector = detector
        self._swap = swap
        self._clock = clock
        self._paces: deque[_Pace] = deque(maxlen=_PACES)
        self._name(1)

    def ran(self, detector: Detector, inferences: int, engine_ms: float) -> None:
        """A batch went through the engine."""
        if detector is self._detector and inferences and engine_ms > 0:
            self._paces.append(_Pace(self._clock(), 1000 * inferences / engine_ms))

    def images_per_s(self) -> float | None:
        """That its engine does at present, or did when it was tried. For any thread.

        A model on trial shares the machine with it: so it counts what it does meanwhile.
        """
        since_s = self._clock() - _PRESENT_S
        paces = [one.images_per_s for one in list(self._paces) if one.at_s >= since_s]
        return median(paces) if paces else self._detector.images_per_s

    def look(self) -> Loaded | None:
        """A model that has passed its test: it serves from now on."""
        outcome = self._swap.look(self.images_per_s) if self._swap is not None else None
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
        self._paces.clear()
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
            threads=str(self._detector.options.threads),
            streams=str(self._detector.options.streams),
        )
