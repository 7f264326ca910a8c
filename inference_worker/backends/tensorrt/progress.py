"""How far a build is, and a way to end it, by the monitor that TensorRT calls meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

import tensorrt as trt

from inference_worker.backends.tensorrt.phases import Phases

logger = logging.getLogger(__name__)

# What is going on, and how much of it is done, 0 to 1.
Told = Callable[[str, float], None]

_SAID_EVERY_S: Final = 30.0


class Monitor(trt.IProgressMonitor):
    """Tells how far a build is, and ends it once `cancelled` is set."""

    def __init__(self, told: Told, cancelled: threading.Event) -> None:
        trt.IProgressMonitor.__init__(self)
        self._told = told
        self._cancelled = cancelled
        self._phases = Phases()
        self._lock = threading.Lock()

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """See `IProgressMonitor`."""
        with self._lock:
            self._phases.start(phase_name, parent_phase, num_steps)

    def step_complete(self, phase_name: str, step: int) -> bool:
        """See `IProgressMonitor`."""
        with self._lock:
            self._phases.step(phase_name, step)
            self._told(*self._phases.now())
        return not self._cancelled.is_set()

    def phase_finish(self, phase_name: str) -> None:
        """See `IProgressMonitor`."""
        with self._lock:
            self._phases.finish(phase_name)


class LoggedProgress:
    """A line in the log now and then, for a worker that builds at its start."""

    def __init__(self, what: str, now: Callable[[], float]) -> None:
        """`now`: in seconds."""
        self._what = what
        self._now = now
        self._said_s = now()

    def __call__(self, text: str, fraction: float) -> None:
        """See `Told`."""
        if self._now() - self._said_s >= _SAID_EVERY_S:
            self._said_s = self._now()
            logger.info("building %s: %s, %.0f %%", self._what, text, 100 * fraction)
