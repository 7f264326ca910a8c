"""One thread for each camera: it takes the ticks of its source and hands them on."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from math import ceil

from producers.camera import CameraTicks, encoder_of, open_camera
from producers.edge import NO_EDGE_GATES, EdgeGates
from producers.live.ticks import LiveTicks, monotonic_us
from producers.pace import Pace
from producers.settings import CameraSettings
from producers.source_settings import LIVE, LiveSettings
from producers.sources.registry import build_live
from runtime.errors import OnehertzError, UserError
from runtime.kafka import now_us
from schemas.messages import RawRecord

log = logging.getLogger("onehertz.produce")

Hand = Callable[[RawRecord], None]
# With what is called once the broker has it.
PatientHand = Callable[[RawRecord, Callable[[], None]], None]
# Camera and run → the last tick of it that the broker has; -1 for none.
LastSeq = Callable[[str, str], int]


class CameraThread(threading.Thread):
    """A camera that runs. `failure`: why it ended before its source did."""

    def __init__(self, camera: str, hand: Hand) -> None:
        super().__init__(name=camera, daemon=True)
        self.failure: OnehertzError | None = None
        self.handed = 0
        self._hand = hand

    def run(self) -> None:
        try:
            for record in self.records():
                self._hand(record)
                self.handed += 1
        except OnehertzError as error:
            log.error("%s", error)
            self.failure = error

    def records(self) -> Iterator[RawRecord]:
        """The ticks, each when it is time for it. Raises UserError that names the camera."""
        raise NotImplementedError

    def close(self) -> None:
        """Ask it to end, from any thread: at its next tick."""
        raise NotImplementedError


class RecordedCamera(CameraThread):
    """Plays a recording; goes on behind the last tick that the broker has."""

    def __init__(
        self,
        camera: str,
        settings: CameraSettings,
        hand: Hand,
        last_seq: LastSeq,
        gates: EdgeGates,
    ) -> None:
        super().__init__(camera, hand)
        self._settings = settings
        self._last_seq = last_seq
        self._gates = gates
        self._closed = threading.Event()

    def records(self) -> Iterator[RawRecord]:
        """See `CameraThread`."""
        ticks = open_camera(self.name, self._settings, now_us, self._gates)
        try:
            first = self._last_seq(self.name, ticks.run) + 1
            if first:
                log.info("%s: going on at tick %d", self.name, first)
                ticks.skip_to(first)
            yield from paced(ticks, self._settings.speed, first, self._closed, self._end)
            log.info("%s: ended after %d ticks", self.name, first + self.handed)
        finally:
            ticks.close()

    def close(self) -> None:
        """See `CameraThread`."""
        self._closed.set()

    @property
    def _end(self) -> int | None:
        """The tick before which it ends, if its source does not end sooner."""
        if self._settings.stop_after_s is None:
            return None
        return ceil(self._settings.stop_after_s * 1e6 / self._settings.interval_us)


class LiveCamera(CameraThread):
    """Stays connected to a camera, as long as it takes."""

    def __init__(
        self,
        camera: str,
        source: LiveSettings,
        settings: CameraSettings,
        hand: Hand,
        gates: EdgeGates,
    ) -> None:
        """Raises UserError that names the camera: a file with its password can't be read."""
        super().__init__(camera, hand)
        try:
            live = build_live(source, settings.interval_us, monotonic_us)
        except UserError as error:
            raise UserError(f"camera {camera}: {error}") from error
        self._ticks = LiveTicks(
            camera,
            live,
            settings.interval_us,
            encoder_of(settings),
            now_us,
            monotonic_us,
            gate=partial(gates.begin, camera, settings.gate),
        )

    def records(self) -> Iterator[RawRecord]:
        """See `CameraThread`."""
        return iter(self._ticks)

    def close(self) -> None:
        """See `CameraThread`."""
        self._ticks.close()


def paced(
    ticks: CameraTicks,
    speed: float | None,
    first: int,
    closed: threading.Event,
    end: int | None = None,
) -> Iterator[RawRecord]:
    """A recording's ticks from `first` on, before `end`, each when it is time for it."""
    pace = Pace(ticks.interval_us, speed, monotonic_us(), first)
    records = iter(ticks)
    # Wait first, then take: a frame that waits here would be sent old.
    for seq in itertools.count(first):
        if end is not None and seq >= end:
            return
        if closed.wait(pace.wait_us(seq, monotonic_us()) / 1e6):
            return
        record = next(records, None)
        if record is None:
            return
        yield record


def camera_thread(
    camera: str,
    settings: CameraSettings,
    hand: Hand,
    last_seq: LastSeq,
    gates: EdgeGates = NO_EDGE_GATES,
) -> CameraThread:
    """The camera as it is configured, not yet started. Raises UserError."""
    if isinstance(settings.source, LIVE):
        return LiveCamera(camera, settings.source, settings, hand, gates)
    return RecordedCamera(camera, settings, hand, last_seq, gates)
