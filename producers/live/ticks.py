"""A live camera's ticks: its connection, its arrivals, and the records that travel."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial

from producers.edge import EdgeGate
from producers.encoder import Encoder
from producers.live.arrivals import LiveSource
from producers.live.backoff import Backoff
from producers.live.choice import Choice, Chooser
from producers.live.demand import TickDemand
from producers.live.mailbox import Mailbox
from producers.live.reader import Reader
from producers.records import Clock, Recorder
from producers.sources.base import Picture, SourceError
from schemas.messages import RawRecord

log = logging.getLogger("onehertz.produce")

# Without a first frame by then, ticks begin all the same: its key frame may be minutes away.
BEGIN_WITHIN_S = 10.0
# A camera may take few connections: who connects anew does so after this one's end, if it ends
# within that time.
LET_GO_S = 2.0
# So often frames that nobody wants are let go, and the clock is looked at, when ticks are rare.
LONGEST_WAIT_S = 1.0
# A clock that was set forward, or a machine that slept: capture times go on from the right ones.
FORWARD_US = 2_000_000
# Set back by less, capture times stay ahead of it, so that they go on rising. By more, they would
# be refused downstream for as long (5 minutes ahead is the most), so they begin anew.
BACK_US = 300_000_000


def monotonic_us() -> int:
    """The clock of arrivals and ticks."""
    return time.monotonic_ns() // 1000


def must_begin_anew(wall_us: int, captured_us: int) -> bool:
    """Whether capture times have come too far from the wall clock, both µs since 1970."""
    return not -BACK_US <= wall_us - captured_us <= FORWARD_US


class LiveTicks:
    """Iterates over records, one per tick, until it is closed.

    `seq` is gap-free from 0 within a run; each start is a run of its own. The first tick is when
    the first frame comes, or when it is known that none does, or after 10 s.
    """

    def __init__(
        self,
        camera: str,
        source: LiveSource,
        interval_us: int,
        encoder: Encoder,
        clock: Clock,
        monotonic: Callable[[], int] = monotonic_us,
        backoff: Backoff | None = None,
        gate: Callable[[], EdgeGate | None] = lambda: None,
    ) -> None:
        """`gate`: that of a new run, if the camera has one here."""
        self.camera = camera
        self._interval_us = interval_us
        self._encoder = encoder
        self._clock = clock
        self._monotonic = monotonic
        self._gate = gate
        self._mailbox = Mailbox()
        self._demand = TickDemand(interval_us, monotonic)
        self._reader = Reader(camera, source, self._mailbox, self._demand, backoff)
        self._closed = False

    def __iter__(self) -> Iterator[RawRecord]:
        self._reader.start()
        try:
            self._mailbox.wait_for_news(BEGIN_WITHIN_S)
            while not self._closed:
                yield from self._run()
        finally:
            self.close()
            self._reader.join(LET_GO_S)

    def close(self) -> None:
        """End the iteration, from any thread.

        The connection ends when next something comes, or within its own time-outs; the iteration
        waits for that for 2 s at most.
        """
        self._closed = True
        self._reader.close()
        self._demand.close()
        self._mailbox.close()

    def _run(self) -> Iterator[RawRecord]:
        """One run: until it is closed, or the clock has been set."""
        due_us = self._mailbox.first_arrived_us() or self._monotonic()
        start_at_us = self._clock() - (self._monotonic() - due_us)
        recorder = Recorder(
            self.camera,
            uuid.uuid4().hex,
            start_at_us,
            self._interval_us,
            self._encoder,
            self._clock,
            self._gate(),
        )
        chooser = Chooser(self._interval_us, due_us)
        self._demand.begin(due_us)
        while not self._closed:
            for choice in self._choices(chooser):
                yield recorder.record(choice.tick, self._outcome(choice))
            now_us = self._monotonic()
            if must_begin_anew(self._clock(), start_at_us + now_us - due_us):
                log.warning("%s: the clock was set: a new run begins", self.camera)
                return

    def _choices(self, chooser: Chooser) -> Iterator[Choice]:
        now_us = self._monotonic()
        wait_s = min(LONGEST_WAIT_S, (chooser.wake_us(now_us) - now_us) / 1e6)
        for arrival in self._mailbox.take(wait_s, partial(chooser.wakes, now_us)):
            yield from chooser.offer(arrival)
        yield from chooser.decide(self._monotonic())

    def _outcome(self, choice: Choice) -> Callable[[], Picture] | SourceError:
        if choice.arrival is not None:
            return choice.arrival.load
        return self._mailbox.problem or SourceError("stalled", "no frame came for this tick")
