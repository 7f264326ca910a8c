"""The model that a worker starts with: loaded beside the loop that says that the process is alive.

Where an engine is built for a GPU that takes minutes, and a stop must not wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from inference_worker.detector import Detector
from runtime.health import Health
from runtime.lifecycle import Stop

_BEAT_S: Final = 1.0


class Opening:
    """Loads in a thread of its own. For one thread."""

    def __init__(self, load: Callable[[], Detector]) -> None:
        self._load = load
        self._outcome: Detector | BaseException | None = None
        self._woken = threading.Event()  # it is done, or a stop is asked for
        self.is_left = False  # its thread works on, and nothing stops it but `lifecycle.leave`

    def detector(self, stop: Stop, health: Health) -> Detector | None:
        """Raises what loading raises; None: a stop was asked for meanwhile."""
        thread = threading.Thread(target=self._try, name="load the model", daemon=True)
        thread.start()
        stop.on_request(self._woken.set)
        while not self._woken.wait(_BEAT_S):
            health.beat(progressed=False, waiting_for_work=True)
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        self.is_left = self._outcome is None
        return self._outcome

    def _try(self) -> None:
        try:
            self._outcome = self._load()
        except BaseException as error:  # it is the caller's
            self._outcome = error
        self._woken.set()
