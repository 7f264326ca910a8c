"""One file's ticks: where they begin, and how far the broker is with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

from producers.camera import CameraTicks
from producers.edge import EdgeGates
from producers.landed.ledger import Entry, Ledger
from producers.landed.placing import left_out_us
from producers.landed.stores import Store
from producers.settings import CameraSettings
from producers.sources.video import VideoSource
from producers.start import run_id
from producers.tail import Tail
from producers.threads import PatientHand, paced
from runtime.errors import UserError
from runtime.kafka import now_us
from schemas.messages import RawRecord

# How often the ledger is told how far the broker is.
_NOTE_EVERY_S = 1.0
_POLL_S = 0.05


class Playing:
    """A file that is played. `first`: its first tick that the broker has not."""

    def __init__(self, entry: Entry, ticks: CameraTicks, first: int, ledger: Ledger) -> None:
        self.first = first
        self._entry = entry
        self._ticks = ticks
        self._ledger = ledger
        self._handed = self._landed = first - 1

    def hand(self, record: RawRecord, hand: PatientHand) -> None:
        """Hand a tick on, and know when the broker has it."""
        seq = record.seq
        self._handed = seq
        hand(record, lambda: self._land(seq))

    def records(self, speed: float | None, closed: threading.Event) -> Iterator[RawRecord]:
        """Its ticks; ends when the broker has them all, or `closed` is set. Raises UserError."""
        note_at = time.monotonic() + _NOTE_EVERY_S
        try:
            with closing(self._ticks):
                for record in paced(self._ticks, speed, self.first, closed):
                    yield record
                    if time.monotonic() >= note_at:
                        self._note()
                        note_at = time.monotonic() + _NOTE_EVERY_S
        finally:
            while self._landed < self._handed and not closed.wait(_POLL_S):
                continue
            self._note()

    def _land(self, seq: int) -> None:
        self._landed = seq  # acknowledgements of a camera come in order

    def _note(self) -> None:
        if self._landed >= self.first:
            captured_us = self._ticks.start_at_us + self._landed * self._ticks.interval_us
            name = self._entry.found.name
            self._ledger.progress(self._ticks.camera, name, self._landed, captured_us)


class Player:
    """Begins a camera's files, or goes on in one."""

    def __init__(
        self,
        camera: str,
        settings: CameraSettings,
        max_overlap_us: int,
        store: Store,
        ledger: Ledger,
        tail: Tail,
        gates: EdgeGates,
    ) -> None:
        self._camera = camera
        self._settings = settings
        self._max_overlap_us = max_overlap_us
        self._store = store
        self._ledger = ledger
        self._tail = tail
        self._gates = gates

    def open(self, entry: Entry) -> Playing:
        """Raises UserError where it can't be played, StoreError where it can't be had now."""
        now = self._store.look_at(entry.found.name)
        if now is None or now.version != entry.found.version:
            raise UserError("it is gone, or was written anew, before its end was reached")
        file = self._store.file(entry.found)
        whole = VideoSource(file)
        left_out = self._left_out_us(entry, whole)
        source = VideoSource(file, start_us=left_out) if left_out else whole
        start_us = entry.start_us + left_out
        run = self._run(source, start_us)
        self._ledger.begin(self._camera, entry.found.name, left_out)
        ticks = CameraTicks(
            self._camera, self._settings, source, start_us, run, now_us, self._gates
        )
        first = max(entry.last_seq, self._tail.last_seq(self._camera, run)) + 1
        ticks.skip_to(first)
        return Playing(entry, ticks, first, self._ledger)

    def _left_out_us(self, entry: Entry, whole: VideoSource) -> int:
        if entry.status == "begun":
            return entry.left_out_us
        if self._tail.last_seq(self._camera, self._run(whole, entry.start_us)) >= 0:
            return 0  # begun, and the ledger that knew of it is gone
        known = self._ledger.last_us(self._camera), self._tail.last_captured_us(self._camera)
        return left_out_us(
            entry.start_us,
            last_us=max((one for one in known if one is not None), default=None),
            interval_us=self._settings.interval_us,
            most_us=self._max_overlap_us,
            now_us=now_us(),
        )

    def _run(self, source: VideoSource, start_us: int) -> str:
        return run_id(self._camera, source.identity, self._settings.interval_us, start_us)


def bare(error: UserError) -> str:
    """What is wrong, without the camera's name before it."""
    cause = error.__cause__
    return str(cause if isinstance(cause, UserError) else error)
