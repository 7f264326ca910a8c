"""From live cameras to the broker: at once while it answers, by way of the disk while it does not.

A camera's ticks leave in the order of their capture times, whichever way they go: while it has some
on disk, its new ones queue behind them; other cameras don't wait. What is sent and not acknowledged
for a while is put on disk too, so that a crash during an outage loses none of it; a tick that comes
to the broker twice is the same tick. No Kafka in here, no clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from producers.given_up import REFERENCE_LOST, as_missing, refers_to
from producers.spool import Lost, Spool, Tick

# Sends a tick; calls back, within a later `poll`, once the broker has it.
Send = Callable[[Tick, Callable[[], None]], None]

# So many of a camera's ticks are read from the disk at once.
_READ_TICKS = 8


@dataclass(frozen=True, slots=True)
class CourierLimits:
    """What may be under way, and how fast the disk is emptied."""

    window_bytes: int = 32_000_000  # sent and not acknowledged
    persist_after_us: int = 2_000_000  # unacknowledged for so long: to disk
    replay_per_s: float = 200.0  # ticks from disk
    max_age_us: int = 172_800_000_000  # of a frame on disk


@dataclass(slots=True)
class _Flight:
    tick: Tick
    sent_us: int
    row: int | None  # on disk


class Courier:
    """The ticks of one process on their way. Used by one thread, that of the acknowledgements."""

    def __init__(
        self,
        spool: Spool,
        send: Send,
        limits: CourierLimits,
        mode: Literal["outage", "always"] = "outage",
    ) -> None:
        """What the spool holds from before is sent first."""
        self._spool = spool
        self._send = send
        self._limits = limits
        self._always = mode == "always"
        self._waiting = spool.waiting()  # on disk and not sent, by camera
        self._sent_until: dict[str, int] = {}  # capture time of each camera's last tick sent
        self._flights: dict[int, _Flight] = {}  # in the order in which they were sent
        self._flying_bytes = 0
        self._number = 0
        # Capture time of each camera's newest picture that was given up; older ones go first.
        self._newest_lost: dict[str, int] = {}
        self._done: list[int] = []  # rows that the broker has
        self._allowed = 0.0  # ticks that may be replayed now
        self._allowed_us: int | None = None

    @property
    def in_flight(self) -> int:
        """Ticks that are sent and not acknowledged."""
        return len(self._flights)

    @property
    def spooled(self) -> int:
        """Ticks on disk."""
        return int(self._spool.rows)

    def take(self, ticks: Iterable[Tick], now_us: int) -> None:
        """New ticks, each camera's in order. Raises FatalError: the disk refuses."""
        to_disk = []
        for tick in map(self._known, ticks):
            if tick.captured_us <= self._sent_until.get(tick.camera, tick.captured_us - 1):
                # The clock was set back. What was sent later than that may be sent again.
                self._sent_until[tick.camera] = tick.captured_us - 1
            behind = self._waiting.get(tick.camera, 0) > 0
            if self._always or behind or not self._has_room():
                to_disk.append(tick)
                self._waiting[tick.camera] = self._waiting.get(tick.camera, 0) + 1
            else:
                self._fly(tick, None, now_us)
        if to_disk:
            # Not one tick on disk without those before it: it may be the same as one of them.
            cameras = {tick.camera for tick in to_disk}
            self._keep(one for one in self._flights.values() if one.tick.camera in cameras)
            self._spool.append(to_disk)

    def step(self, now_us: int, wall_us: int) -> list[Lost]:
        """What there is to do now; to be called a few times a second. Raises FatalError.

        `wall_us`: µs since 1970. The frames that have lost their pictures, for want of room or age.
        """
        self._persist(now_us)
        if self._done:  # first: what the broker has is not lost
            done, self._done = self._done, []
            self._spool.delete(done)
        lost = self._spool.shrink(wall_us - self._limits.max_age_us) if self._spool.rows else []
        self._newest_lost.update(lost)
        self._replay(now_us)
        return lost

    def keep_all(self, now_us: int) -> None:
        """Put on disk whatever the broker has not acknowledged: before the end."""
        self._persist(now_us + self._limits.persist_after_us)

    def _known(self, tick: Tick) -> Tick:
        """A missing one for what refers to a picture that was lost before its gate heard of it."""
        lost_us = self._newest_lost.get(tick.camera)
        if lost_us is None or not refers_to(tick.wire, tick.camera, lost_us):
            return tick
        return Tick(tick.camera, tick.captured_us, as_missing(tick.wire, REFERENCE_LOST))

    def _has_room(self) -> bool:
        return self._flying_bytes < self._limits.window_bytes

    def _fly(self, tick: Tick, row: int | None, now_us: int) -> None:
        number = self._number
        self._number += 1
        self._flights[number] = _Flight(tick, now_us, row)
        self._sent_until[tick.camera] = tick.captured_us
        self._flying_bytes += tick.size
        self._send(tick, lambda: self._land(number))

    def _land(self, number: int) -> None:
        flight = self._flights.pop(number)
        self._flying_bytes -= flight.tick.size
        if flight.row is not None:
            self._done.append(flight.row)

    def _persist(self, now_us: int) -> None:
        late = []
        for flight in self._flights.values():
            if now_us - flight.sent_us < self._limits.persist_after_us:
                break
            late.append(flight)
        self._keep(late)

    def _keep(self, flights: Iterable[_Flight]) -> None:
        """Put on disk those that are not there yet."""
        bare = [flight for flight in flights if flight.row is None]
        if bare:
            rows = self._spool.append([self._known(flight.tick) for flight in bare])
            for flight, row in zip(bare, rows, strict=True):
                flight.row = row

    def _replay(self, now_us: int) -> None:
        """Some ticks of each camera in turn, as long as there is room for them."""
        self._allow(now_us)
        cameras = [camera for camera, count in self._waiting.items() if count]
        while cameras and self._allowed >= 1 and self._has_room():
            camera = cameras.pop(0)
            count = min(_READ_TICKS, self._waiting[camera], int(self._allowed))
            after_us = self._sent_until.get(camera, -(1 << 62))
            found = self._spool.read(camera, after_us, count)
            for one in found:
                self._fly(one.tick, one.id, now_us)
            self._allowed -= len(found)
            # Fewer than were counted: the oldest have been given up for want of room.
            self._waiting[camera] = self._waiting[camera] - len(found) if found else 0
            if self._waiting[camera]:
                cameras.append(camera)

    def _allow(self, now_us: int) -> None:
        if self._allowed_us is not None:
            elapsed_s = (now_us - self._allowed_us) / 1e6
            most = max(1.0, self._limits.replay_per_s)
            self._allowed = min(most, self._allowed + elapsed_s * self._limits.replay_per_s)
        self._allowed_us = now_us
