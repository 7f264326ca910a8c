"""What TensorRT says of itself goes to our log, and its last errors into our messages."""

from __future__ import annotations

import logging
import threading
from collections import deque

import tensorrt as trt

logger = logging.getLogger("inference_worker.tensorrt")


class Log(trt.ILogger):
    """Keeps errors for whoever raises one; all of it is there with `runtime.log_level: debug`."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        # Reentrant: an object that is collected meanwhile may have something to say.
        self._lock = threading.RLock()
        self._errors: deque[tuple[int, str]] = deque(maxlen=50)  # with the thread they came in

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Called by TensorRT, from any thread."""
        if int(severity) <= int(trt.ILogger.ERROR):
            with self._lock:
                self._errors.append((threading.get_ident(), msg))
        if int(severity) <= int(trt.ILogger.WARNING):
            logger.debug("%s", msg)

    def clear(self) -> None:
        """Forget what went wrong before in this thread: another one may be at work too."""
        with self._lock:
            own = threading.get_ident()
            kept = [one for one in self._errors if one[0] != own]
            self._errors.clear()
            self._errors.extend(kept)

    def errors(self, *, of_all_threads: bool = False) -> str:
        """What went wrong in this thread, or else in any, in a line; the first error first."""
        with self._lock:
            found = list(self._errors)
        own = [one for one in found if one[0] == threading.get_ident()]
        own = found if of_all_threads else own or found
        self.clear()
        texts = dict.fromkeys(" ".join(text.split()) for _, text in own)
        return "; ".join(texts) or "TensorRT gives no reason"
