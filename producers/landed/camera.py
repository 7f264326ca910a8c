"""A camera whose videos land as files: its thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

from producers.landed.inbox import Inbox
from producers.landed.ledger import Entry
from producers.landed.playing import Player, Playing, bare
from producers.landed.stores import StoreError
from producers.live.backoff import Backoff
from producers.threads import CameraThread, PatientHand
from producers.trouble import Trouble
from runtime.errors import UserError
from schemas.messages import RawRecord

log = logging.getLogger("onehertz.produce")


class LandedCamera(CameraThread):
    """Plays file after file, each once; goes on in the middle of one after a kill."""

    def __init__(
        self,
        camera: str,
        inbox: Inbox,
        player: Player,
        hand: PatientHand,
        *,
        look_every_s: float,
        speed: float | None,
        news: threading.Event,
        listening: AbstractContextManager[None],
    ) -> None:
        """`news` is set when something is said to have landed, while `listening` is entered."""
        super().__init__(camera, self._hand_on)
        self._inbox = inbox
        self._player = player
        self._patient_hand = hand
        self._look_every_s = look_every_s
        self._speed = speed
        self._playing: Playing | None = None
        self._look_at = 0.0  # monotonic
        self._news = news
        self._listening = listening
        self._closed = threading.Event()
        self._trouble = Trouble(camera, "reached again")
        self._untidy = Trouble(camera, "what is done is tidied up again")

    def close(self) -> None:
        """See `CameraThread`."""
        self._closed.set()
        self._news.set()

    def records(self) -> Iterator[RawRecord]:
        """See `CameraThread`."""
        backoff = Backoff()
        try:
            with self._listening:
                while not self._closed.is_set():
                    try:
                        yield from self._step()
                    except StoreError as error:
                        self._trouble.tell(str(error))
                        self._closed.wait(backoff.wait_s(0))
                    else:
                        self._trouble.over()
                        backoff = Backoff()
        except UserError as error:
            raise UserError(f"camera {self.name}: {error}") from error

    def _step(self) -> Iterator[RawRecord]:
        """Look once, and play a file if there is one."""
        self._news.clear()
        self._tidy()
        self._inbox.look_at_noticed()
        if time.monotonic() >= self._look_at:
            self._inbox.look()
            self._look_at = time.monotonic() + self._look_every_s
        self._inbox.judge()
        entry = self._inbox.next()
        if entry is not None:
            yield from self._play(entry)
            return
        wait_s = self._look_at - time.monotonic()
        self._news.wait(max(0.0, min(wait_s, self._inbox.wait_s())))

    def _tidy(self) -> None:
        """Files that can't be moved hold up nobody."""
        try:
            self._inbox.tidy()
        except StoreError as error:
            self._untidy.tell(str(error))
        else:
            self._untidy.over()

    def _play(self, entry: Entry) -> Iterator[RawRecord]:
        try:
            self._playing = self._player.open(entry)
            log.info("%s: %s from tick %d", self.name, entry.found.name, self._playing.first)
            yield from self._playing.records(self._speed, self._closed)
        except UserError as error:
            self._inbox.set_aside(entry.found, bare(error))
            return
        if not self._closed.is_set():
            self._inbox.finish(entry.found)
            log.info("%s: %s is done", self.name, entry.found.name)

    def _hand_on(self, record: RawRecord) -> None:
        assert self._playing is not None  # noqa: S101 - it gave the record
        self._playing.hand(record, self._patient_hand)
