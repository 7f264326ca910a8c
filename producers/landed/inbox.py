"""One camera's files: found, finished, judged, and which is the next."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf
from typing import Literal

from producers.landed.ledger import Entry, Ledger
from producers.landed.names import NameTimes
from producers.landed.settling import Settling
from producers.landed.stores import Found, Store
from producers.sources.video import VideoSource
from runtime.errors import UserError

log = logging.getLogger("onehertz.produce")

Finished = Literal["keep", "move", "delete"]
DONE, ASIDE = "done", "aside"  # folders


class Inbox:
    """Used by the camera's thread. All but `next` may raise StoreError."""

    def __init__(
        self,
        camera: str,
        store: Store,
        ledger: Ledger,
        *,
        times: NameTimes | None,
        settle_us: int,
        finished: Finished,
        monotonic: Callable[[], int],
        counted: Callable[[Literal["done", "aside"]], None],
    ) -> None:
        """`times`: None takes the time that is written in the file; `monotonic`: a clock, µs.

        `counted` is called once for each file that is done or set aside.
        """
        self.camera = camera
        self._store = store
        self._ledger = ledger
        self._times = times
        self._settling = Settling(settle_us)
        self._finished = finished
        self._monotonic = monotonic
        self._counted = counted
        # Files of the last look, and the versions of those that need nothing any more: spares
        # asking the ledger for each, each time. None before the first look.
        self._seen: dict[str, str | None] | None = None
        self._waits_for = ""

    def look(self) -> None:
        """Find what is there."""
        before = self._seen or {}
        there: dict[str, str | None] = {}
        for found in self._store.look():
            done = before.get(found.name) == found.version or not self._note(found)
            there[found.name] = found.version if done else None
        if self._seen is None:
            self._ledger.prune(self.camera, there.keys())
        for name in before.keys() - there.keys():
            self._forget_gone(name)
        self._seen = there
        for found in self._settling.watched:
            if found.name not in there:
                self._settling.drop(found.name)

    def _forget_gone(self, name: str) -> None:
        """What was to be played is left to whoever plays it, to be told."""
        entry = self._ledger.entry(self.camera, name)
        if entry is not None and entry.status in ("done", "aside"):
            self._ledger.forget(self.camera, [name])

    def look_at_noticed(self) -> None:
        """Look at what somebody has told of."""
        for name in self._ledger.noticed(self.camera):
            found = self._store.look_at(name)
            if found is not None:
                self._note(found)
            self._ledger.looked_at(self.camera, name)

    def judge(self) -> None:
        """Take those that are finished: to be played, or set aside."""
        now_us = self._monotonic()
        for found in self._settling.due(now_us):
            # Asked for before the look: whoever ends writing in between has changed the file.
            is_being_written = self._store.is_being_written(found.name)
            now = self._store.look_at(found.name)
            if now is None:
                self._settling.drop(found.name)
            elif not self._settling.note(now, now_us):
                continue
            elif is_being_written:
                self._settling.start_anew(found.name, now_us)
            else:
                self._judge(found)
                self._settling.drop(found.name)

    def wait_s(self) -> float:
        """Until it is worth while to judge again; without end where nothing is watched."""
        due_us = self._settling.next_due_us()
        return inf if due_us is None else (due_us - self._monotonic()) / 1e6

    def next(self) -> Entry | None:
        """The file to be played now: the one that was begun, or the earliest.

        None while one that is earlier is still being written: by the times in their names, or,
        where names have none, by the names. One that was written anew before it was begun has to
        settle again.
        """
        entry = self._ledger.next(self.camera)
        if entry is None or entry.status == "begun":
            return entry
        now = self._store.look_at(entry.found.name)
        if now is not None and now.version != entry.found.version:
            self._note(now)
            return None
        for found in self._settling.watched:
            if self._is_earlier(found, entry):
                self._tell_of_wait(found.name)
                return None
        return entry

    def _is_earlier(self, found: Found, entry: Entry) -> bool:
        if self._times is None:
            return found.name < entry.found.name
        start_us = self._times.start_us(found.name, found.changed_us)
        return start_us is not None and start_us < entry.start_us

    def _tell_of_wait(self, name: str) -> None:
        if name != self._waits_for:
            self._waits_for = name
            log.info("%s: waits for %s, which is still being written", self.camera, name)

    def finish(self, found: Found) -> None:
        """All of it is at the broker."""
        self._ledger.finish(self.camera, found.name, untidy=self._finished != "keep")
        self._counted("done")

    def set_aside(self, found: Found, reason: str) -> None:
        """It can't be played, or not to its end."""
        log.warning("%s: %s is set aside: %s", self.camera, found.name, reason)
        untidy = self._finished == "move"
        self._ledger.set_aside(self.camera, found, reason, untidy=untidy)
        self._counted("aside")

    def tidy(self) -> None:
        """Move or delete what is to be, also what was left by a kill."""
        if self._finished == "keep":
            return
        for entry in self._ledger.untidy(self.camera):
            name = entry.found.name
            if entry.status == "aside":
                self._store.move(name, ASIDE, entry.reason)
            elif self._finished == "delete":
                self._store.delete(name)
            else:
                self._store.move(name, DONE)
            self._ledger.forget(self.camera, [name])

    def _note(self, found: Found) -> bool:
        """Whether there is something to be done about it."""
        entry = self._ledger.entry(self.camera, found.name)
        if entry is not None and (entry.found.version == found.version or entry.status == "begun"):
            return entry.status in ("waiting", "begun")
        if entry is not None and entry.status == "waiting":
            self._ledger.forget(self.camera, [found.name])  # it is being written again
        self._settling.note(found, self._monotonic())
        return True

    def _judge(self, found: Found) -> None:
        try:
            start_us = start_us_of(self._times, self._store, found)
            self._ledger.add(self.camera, found, start_us)
        except UserError as error:
            self.set_aside(found, str(error))


def start_us_of(times: NameTimes | None, store: Store, found: Found) -> int:
    """When a file begins, µs since 1970. Raises UserError where nothing tells it."""
    if times is not None:
        start_us = times.start_us(found.name, found.changed_us)
        if start_us is None:
            raise UserError("its name holds no time as name_time has it")
        return start_us
    recorded_at_us = VideoSource(store.file(found)).recorded_at_us
    if recorded_at_us is None:
        raise UserError("it does not say when it was recorded: set name_time")
    return recorded_at_us
