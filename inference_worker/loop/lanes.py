"""A detector and the threads that run batches on its engine, one for each lane."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from inference_worker.detector import Detector

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Lanes:
    """Runs as many batches at once as the engine takes. Its methods are for any thread."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self._pool = ThreadPoolExecutor(detector.backend.lanes, "engine")
        self.share = Share()

    def submit(
        self,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Future[Result]:
        """Have it called in a thread of a lane."""
        return self._pool.submit(function, *args, **kwargs)

    def shutdown(self) -> None:
        """Start nothing more; wait for what runs."""
        self._pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """The same, and let go of the engine."""
        self.shutdown()
        self.detector.close()


class Share:
    """What each batch takes of the engine's time where several are in it at once.

    A batch's share begins when the batch before it has ended. So the shares add up to no more than
    the time that has passed, and say how many batches a second the engine does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended_s = float("-inf")  # of the batches that were told of

    def of_s(self, began_s: float, ended_s: float) -> float:
        """Seconds. Told in the order in which batches end, nearly."""
        with self._lock:
            share_s = max(0.0, ended_s - max(began_s, self._ended_s))
            self._ended_s = max(self._ended_s, ended_s)
        return share_s
