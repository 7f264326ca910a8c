"""One camera's connection: made, read, and made again when it breaks."""

from __future__ import annotations

import logging
import threading
from contextlib import closing

from producers.live.arrivals import Demand, LiveSource
from producers.live.backoff import Backoff
from producers.live.mailbox import Mailbox
from producers.sources.base import SourceError
from producers.trouble import Trouble

log = logging.getLogger("onehertz.produce")

_NO_KEY_FRAME = SourceError("stalled", "what comes is of no use before the next key frame")


class Reader(threading.Thread):
    """Reads a live source into a mailbox until it is closed. What is wrong goes there too."""

    def __init__(
        self,
        camera: str,
        source: LiveSource,
        mailbox: Mailbox,
        demand: Demand,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(name=f"{camera} reader", daemon=True)
        self._camera = camera
        self._source = source
        self._mailbox = mailbox
        self._demand = demand
        self._backoff = backoff or Backoff()
        self._closed = threading.Event()
        self._trouble = Trouble(camera, "frames come again")

    def close(self) -> None:
        """Ask it to end: when next something comes, or at the source's own time-out."""
        self._closed.set()

    def run(self) -> None:
        while not self._closed.is_set():
            connected_us = self._read_once()
            self._closed.wait(self._backoff.wait_s(connected_us))

    def _read_once(self) -> int:
        """One connection; for how long it gave frames, µs."""
        first_us = last_us = None
        try:
            with closing(self._source.arrivals(self._demand)) as arrivals:
                for arrival in arrivals:
                    if self._closed.is_set():
                        return 0
                    if arrival is None:
                        if first_us is None:
                            self._mailbox.explain(_NO_KEY_FRAME)
                        continue
                    if first_us is None:
                        first_us = arrival.arrived_us
                        self._trouble.over()
                    last_us = arrival.arrived_us
                    self._mailbox.put(arrival)
            self._fail(SourceError("unreachable", "the camera ended the stream"))
        except SourceError as problem:
            self._fail(problem)
        except Exception as error:  # a fault in a library must not end the camera
            log.exception("%s: reading failed", self._camera)
            self._fail(SourceError("unreachable", f"reading failed: {type(error).__name__}"))
        return 0 if first_us is None or last_us is None else last_us - first_us

    def _fail(self, problem: SourceError) -> None:
        if not self._closed.is_set():
            self._mailbox.fail(problem)
            self._trouble.tell(str(problem))
