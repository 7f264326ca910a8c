"""The way out for live cameras: a tick wakes who sends it, and nothing wakes him for nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from producers import outlet
from producers.courier import Courier
from producers.outlet import LiveOutlet
from producers.spool import Spool
from runtime.context import Context
from runtime.health import Health
from runtime.kafka import KafkaSettings
from runtime.lifecycle import Stop
from runtime.metrics import Metrics
from runtime.sender import Sender
from runtime.topics import LineSettings
from schemas.messages import Captured
from tests.producers.test_courier import LIMITS, FakeBroker
from tests.producers.test_spool import record_of, tick

FOR_EVER_S = 600.0


class Served:
    """An outlet whose `wait` is called on a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.broker = FakeBroker()
        self.spool = Spool(folder, 10_000_000)
        context = Context(KafkaSettings(), LineSettings(), Stop(), Metrics(), Health(60.0))
        courier = Courier(self.spool, self.broker.send, LIMITS)
        self.context = context
        self.lost: list[tuple[str, int]] = []
        self.outlet = LiveOutlet(
            context, cast("Sender", self.broker), courier, lambda *lost: self.lost.append(lost)
        )

    def hand(self, seq: int) -> None:
        record = record_of(tick("a", seq))
        self.outlet.hand(record)

    def waiting(self) -> threading.Thread:
        thread = threading.Thread(target=self.outlet.wait, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.spool.close()


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look for its own sake: only news ends a wait."""
    monkeypatch.setattr(outlet, "_BUSY_S", FOR_EVER_S)
    monkeypatch.setattr(outlet, "_IDLE_S", FOR_EVER_S)


@pytest.mark.usefixtures("endless")
def test_a_tick_that_is_handed_on_ends_the_wait(served: Served) -> None:
    thread = served.waiting()
    served.hand(0)
    thread.join(10)
    assert not thread.is_alive()
    served.outlet.serve()
    assert len(served.broker.log) == 1


@pytest.mark.usefixtures("endless")
def test_a_tick_that_came_before_the_wait_is_not_slept_over(served: Served) -> None:
    served.hand(0)
    served.outlet.wait()
    served.outlet.serve()
    served.hand(1)
    served.outlet.wait()
    served.outlet.serve()
    assert [record_of(one).seq for one in served.broker.log] == [0, 1]


@pytest.mark.usefixtures("endless")
def test_what_was_served_wakes_nobody_again(served: Served) -> None:
    served.hand(0)
    served.outlet.serve()
    thread = served.waiting()
    assert thread.is_alive()
    served.hand(1)
    thread.join(10)
    assert not thread.is_alive()


def test_while_ticks_are_under_way_acknowledgements_are_looked_for(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "_IDLE_S", FOR_EVER_S)
    served.broker.up = False
    served.hand(0)
    served.outlet.serve()
    served.outlet.wait()
    served.broker.up = True
    served.outlet.serve()
    assert len(served.outlet) == 0


def test_what_is_on_disk_is_looked_for_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "_IDLE_S", FOR_EVER_S)
    served.spool.append([tick("b", 0)])
    served.outlet.wait()


def test_pictures_that_the_disk_gives_up_are_told(served: Served) -> None:
    # From 2026-03-01: older than the oldest that is kept.
    served.spool.append([tick("b", 0), tick("b", 1)])
    served.outlet.serve()
    assert served.lost == [("b", tick("b", 0).captured_us), ("b", tick("b", 1).captured_us)]


def test_a_picture_that_is_given_up_at_once_is_told_at_once(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "MAX_WAITING_BYTES", 15_000)
    for seq in range(3):
        served.hand(seq)
    assert served.lost == [("a", tick("a", 2).captured_us)]
    served.outlet.serve()
    assert [record_of(one).status for one in served.broker.log] == [
        "captured",
        "captured",
        "missing",
    ]


@pytest.mark.parametrize(("signed", "left_out"), [(True, 1.0), (False, 0.0)])
def test_a_frame_that_should_have_a_signature_and_has_none_is_counted(
    served: Served, signed: bool, left_out: float
) -> None:
    record = record_of(tick("a", 0))
    assert isinstance(record, Captured)
    served.outlet.hand(record, signed=signed)
    served.outlet.hand(replace(record, signature=b"\x01"), signed=signed)
    found = served.context.metrics.registry.get_sample_value(
        "onehertz_signatures_left_out_total", {"stage": "produce"}
    )
    assert (found or 0.0) == left_out


def test_with_nothing_to_do_it_looks_a_few_times_a_second(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0.1 <= outlet._IDLE_S <= 0.5
    monkeypatch.setattr(outlet, "_BUSY_S", FOR_EVER_S)
    served.outlet.wait()
