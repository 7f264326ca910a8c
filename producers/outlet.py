"""From the cameras' threads to frames-raw."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from producers.courier import Courier
from producers.given_up import has_picture, without_picture
from producers.spool import Tick
from runtime.context import Context
from runtime.kafka import now_us
from runtime.sender import Sender
from schemas.codec import encode_frame
from schemas.messages import Captured, RawRecord

STAGE: Final = "produce"
# Of ticks that wait for the thread that sends or keeps them: more only where the disk stands still.
MAX_WAITING_BYTES = 64_000_000
# The longest waits for a tick: so often acknowledgements and replay are served while ticks are
# under way or on disk, and health while there are none. No client's `poll` ends for a tick.
_BUSY_S, _IDLE_S = 0.05, 0.25


def count(context: Context, record: RawRecord, *, signed: bool) -> None:
    """A tick that has been handed on. `signed`: its camera sends signatures."""
    took_us, gave_us = record.stages[STAGE]
    context.metrics.count("onehertz_records_given_total", stage=STAGE, status=record.status)
    context.metrics.count("onehertz_busy_seconds_total", (gave_us - took_us) / 1e6, stage=STAGE)
    if signed and isinstance(record, Captured) and record.signature is None:
        context.metrics.count("onehertz_signatures_left_out_total", stage=STAGE)


def _nothing() -> None:
    return None


def _ignored(_camera: str, _captured_us: int) -> None:
    return None


class PatientOutlet:
    """For recordings, which can wait: whoever hands on too much waits until there is room."""

    def __init__(self, context: Context) -> None:
        self._sender = Sender(context.kafka)
        self._context = context
        self._topic = context.line.topic("frames-raw")

    def hand(
        self,
        record: RawRecord,
        landed: Callable[[], None] = _nothing,
        *,
        signed: bool = False,
    ) -> None:
        """Queue a tick; waits while the queue is full. Raises FatalError as `Sender.send` does.

        `landed` is called from `serve`, once the broker has it.
        """
        wire = encode_frame(record, STAGE)
        self._sender.send(self._topic, wire, acknowledged=lambda _: landed())
        count(self._context, record, signed=signed)

    def serve(self, seconds: float) -> None:
        """Serve acknowledgements for so long."""
        self._sender.poll(seconds)

    def finish(self, timeout_s: float) -> None:
        """Wait for all acknowledgements."""
        self._sender.flush(timeout_s)

    def __len__(self) -> int:
        return len(self._sender)


class LiveOutlet:
    """For live cameras, which can't wait: `hand` never does, a courier takes what was handed on."""

    def __init__(
        self,
        context: Context,
        sender: Sender,
        courier: Courier,
        lost: Callable[[str, int], None] = _ignored,
    ) -> None:
        """`lost`: told camera and capture time of each picture that is given up; on any thread."""
        self._lost = lost
        self._context = context
        self._sender = sender
        self._courier = courier
        self._lock = threading.Lock()
        self._has_news = threading.Event()
        self._handed: list[Tick] = []
        self._handed_bytes = 0

    def hand(self, record: RawRecord, *, signed: bool = False) -> None:
        """Take a tick, at once. Where too many wait, it loses its picture."""
        wire = encode_frame(record, STAGE)
        with self._lock:
            if self._handed_bytes > MAX_WAITING_BYTES and has_picture(wire):
                wire = without_picture(wire, "the disk does not keep up")
                self._lost(record.camera, record.captured_at_us)
            tick = Tick(record.camera, record.captured_at_us, wire)
            self._handed.append(tick)
            self._handed_bytes += tick.size
        self._has_news.set()
        count(self._context, record, signed=signed)

    def wait(self) -> None:
        """Until a tick is handed on, or it is time to serve what is under way."""
        busy = self._courier.in_flight or self._courier.spooled
        self._has_news.wait(_BUSY_S if busy else _IDLE_S)

    def serve(self) -> None:
        """Send, keep, replay, take acknowledgements; waits for none. On one thread.

        Raises FatalError.
        """
        self._has_news.clear()  # before they are taken: a later one sets it again
        with self._lock:
            handed, self._handed, self._handed_bytes = self._handed, [], 0
        mono_us = time.monotonic_ns() // 1000
        self._courier.take(handed, mono_us)
        lost = self._courier.step(mono_us, now_us())
        for one in lost:
            self._lost(*one)
        if lost:
            self._context.metrics.count("onehertz_spool_full_total", len(lost), stage=STAGE)
        self._context.metrics.set("onehertz_spooled_ticks", self._courier.spooled, stage=STAGE)
        self._sender.poll()

    def finish(self, timeout_s: float) -> None:
        """Keep on disk what the broker does not take in that time."""
        self.serve()
        self._sender.flush(timeout_s)
        self.serve()
        self._courier.keep_all(time.monotonic_ns() // 1000)

    def __len__(self) -> int:
        return len(self._handed) + self._courier.in_flight
