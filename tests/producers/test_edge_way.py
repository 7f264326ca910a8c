"""The gate at the edge, the spool and the way to the broker together: no reference is ever lost."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from producers.courier import Courier, CourierLimits
from producers.edge import References
from producers.spool import Spool, Tick
from schemas.messages import Captured, RawRecord, Unchanged, split_frame_id
from tests.producers.test_courier import FakeBroker
from tests.producers.test_spool import START_US, record_of, same_as, tick

SECOND = 1_000_000
LIMITS = CourierLimits(
    window_bytes=12_000,
    persist_after_us=2 * SECOND,
    replay_per_s=1000,
    max_age_us=4 * SECOND,
)
CAMERA = "a"


class Way:
    """A camera whose gate says "the same" whenever it may, and a producer that can be killed."""

    def __init__(self, folder: Path, mode: Literal["outage", "always"]) -> None:
        self.folder, self.mode = folder, mode
        self.broker = FakeBroker()
        self.seq = 0
        self.handed: list[Tick] = []
        self.begin()

    def begin(self) -> None:
        self.spool = Spool(self.folder, 10_000_000)
        self.courier = Courier(self.spool, self.broker.send, LIMITS, self.mode)
        self.references = References()
        self.kept: int | None = None

    def sees(self, *, other: bool) -> None:
        """A second later: the next tick, decided as `EdgeGate` does, and handed on."""
        kept = self.kept
        known = kept is not None and self.references.holds(CAMERA, START_US + kept * SECOND)
        if kept is None or other or not known:
            self.kept = self.seq
            self.references.refer(CAMERA, START_US + self.seq * SECOND)
            self.handed.append(tick(CAMERA, self.seq, 3_000))
        else:
            self.handed.append(same_as(CAMERA, self.seq, kept))
        self.seq += 1

    def serve(self) -> None:
        """What `LiveOutlet.serve` does."""
        handed, self.handed = self.handed, []
        now_us = self.seq * SECOND
        self.courier.take(handed, now_us)
        for lost in self.courier.step(now_us, START_US + now_us):
            self.references.lose(*lost)

    def dies(self, unnoticed: int) -> None:
        self.broker.took_unnoticed(unnoticed)
        self.broker.forget_queue()
        self.handed.clear()
        self.spool.close()
        self.begin()

    def comes_to_rest(self) -> dict[int, RawRecord]:
        """All that the broker has in the end, by number, as it first came."""
        self.broker.up = True
        for _ in range(50):
            self.serve()
            self.broker.poll()
            self.seq += 1
        self.spool.close()
        found: dict[int, RawRecord] = {}
        for one in self.broker.log:
            record = record_of(one)
            found.setdefault(record.seq, record)
        return found


EVENTS = st.lists(
    st.sampled_from(["same", "same", "same", "other", "serve", "serve", "poll", "down", "up"])
    | st.integers(0, 2),
    min_size=5,
    max_size=60,
)


# Sent before the loss was known, and kept on disk after it.
@example(["down", *["same", "serve"] * 7, 0], "outage")
@given(EVENTS, st.sampled_from(["outage", "always"]))
@settings(max_examples=150)
def test_what_the_broker_has_refers_to_pictures_that_it_has(
    events: list[str | int], mode: Literal["outage", "always"]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        way = Way(Path(folder), mode)
        for event in events:
            match event:
                case "same" | "other":
                    way.sees(other=event == "other")
                case "serve":
                    way.serve()
                case "poll":
                    way.broker.poll()
                case "up" | "down":
                    way.broker.up = event == "up"
                case int():
                    way.dies(event)
        found = way.comes_to_rest()
    for record in found.values():
        if isinstance(record, Unchanged):
            _, reference_us = split_frame_id(record.same_as)
            assert isinstance(found.get((reference_us - START_US) // SECOND), Captured)
