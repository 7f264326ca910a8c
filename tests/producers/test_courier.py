"""The way of live ticks: at once, by way of the disk, in order, through outages and crashes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from producers.courier import Courier, CourierLimits
from producers.spool import Spool, Tick
from tests.producers.test_spool import START_US, record_of, same_as, tick

SECOND = 1_000_000
WINDOW = 60_000
LIMITS = CourierLimits(window_bytes=WINDOW, persist_after_us=2 * SECOND, replay_per_s=1000)


class FakeBroker:
    """Stands for Kafka and its client: takes ticks in order while it is up."""

    def __init__(self) -> None:
        self.up = True
        self.log: list[Tick] = []
        self._queue: list[tuple[Tick, Callable[[], None]]] = []

    def send(self, tick: Tick, landed: Callable[[], None]) -> None:
        self._queue.append((tick, landed))

    def poll(self, _timeout_s: float = 0.0) -> None:
        while self.up and self._queue:
            tick, landed = self._queue.pop(0)
            self.log.append(tick)
            landed()

    def forget_queue(self) -> None:
        """The client's process has died."""
        self._queue.clear()

    def took_unnoticed(self, count: int) -> None:
        """It has some of the queue, and the client never hears of it."""
        self.log += [tick for tick, _ in self._queue[:count]]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path, 10_000_000)
    yield spool
    spool.close()


def courier(
    spool: Spool, broker: FakeBroker, mode: Literal["outage", "always"] = "outage"
) -> Courier:
    return Courier(spool, broker.send, LIMITS, mode)


def seqs(broker: FakeBroker, camera: str = "a") -> list[int]:
    return [record_of(one).seq for one in broker.log if one.camera == camera]


def test_while_the_broker_answers_nothing_touches_the_disk(spool: Spool) -> None:
    broker = FakeBroker()
    way = courier(spool, broker)
    for n in range(50):
        way.take([tick("a", n)], n * SECOND)
        broker.poll()
        way.step(n * SECOND, START_US)
        assert spool.rows == 0
    assert seqs(broker) == list(range(50))


def test_with_always_each_tick_is_on_disk_before_it_is_sent(spool: Spool) -> None:
    broker = FakeBroker()
    way = courier(spool, broker, "always")
    way.step(0, START_US)
    way.take([tick("a", 0)], SECOND)
    assert spool.rows == 1
    broker.poll()
    assert broker.log == []
    way.step(2 * SECOND, START_US)
    broker.poll()
    way.step(3 * SECOND, START_US)
    assert (seqs(broker), spool.rows) == ([0], 0)


def test_what_the_broker_has_is_not_given_up(spool: Spool) -> None:
    broker = FakeBroker()
    way = courier(spool, broker, "always")
    way.take([tick("a", 0)], 0)
    way.step(0, START_US)
    way.step(SECOND, START_US)
    broker.poll()
    assert seqs(broker) == [0]
    too_old_us = START_US + LIMITS.max_age_us + SECOND
    assert way.step(2 * SECOND, too_old_us) == []


def test_what_refers_to_a_picture_that_has_just_been_given_up_is_missing(spool: Spool) -> None:
    """Its gate had decided before it heard of the loss."""
    broker = FakeBroker()
    broker.up = False
    way = courier(spool, broker, "always")
    way.take([tick("a", 0), tick("b", 0)], 0)
    assert way.step(0, START_US + LIMITS.max_age_us + 1) == [("a", START_US), ("b", START_US)]
    way.take([same_as("a", 1, 0), tick("a", 2), same_as("a", 3, 2)], SECOND)
    way.step(SECOND, START_US)
    broker.up = True
    way.step(2 * SECOND, START_US)
    broker.poll()
    found = [record_of(one).status for one in broker.log if one.camera == "a"]
    assert found == ["missing", "missing", "captured", "unchanged"]


def test_in_an_outage_ticks_go_to_disk_and_come_back_in_order(spool: Spool) -> None:
    broker = FakeBroker()
    broker.up = False
    way = courier(spool, broker)
    for n in range(40):
        way.take([tick("a", n), tick("b", n)], n * SECOND)
        way.step(n * SECOND, START_US)
        assert way.in_flight <= 2 + WINDOW // 10_000
    assert way.in_flight + spool.rows >= 80
    broker.up = True
    for n in range(40, 60):
        way.take([tick("a", n), tick("b", n)], n * SECOND)
        broker.poll()
        way.step(n * SECOND, START_US)
    broker.poll()
    way.step(70 * SECOND, START_US)
    assert seqs(broker, "a") == seqs(broker, "b") == list(range(60))
    assert spool.rows == 0


def test_what_is_not_acknowledged_for_a_while_is_on_disk_too(spool: Spool) -> None:
    broker = FakeBroker()
    broker.up = False
    way = courier(spool, broker)
    way.take([tick("a", 0)], 0)
    way.step(SECOND, START_US)
    assert spool.rows == 0
    way.step(2 * SECOND, START_US)
    assert spool.rows == 1
    broker.up = True
    broker.poll()
    way.step(3 * SECOND, START_US)
    assert (seqs(broker), spool.rows) == ([0], 0)


def test_a_camera_that_is_behind_keeps_no_other_waiting(spool: Spool) -> None:
    spool.append([tick("a", n) for n in range(30)])
    broker = FakeBroker()
    slow = CourierLimits(window_bytes=WINDOW, replay_per_s=1)
    way = Courier(spool, broker.send, slow)
    way.step(0, START_US)
    way.take([tick("a", 30), tick("b", 30)], SECOND)
    broker.poll()
    assert seqs(broker, "b") == [30]
    assert 30 not in seqs(broker, "a")


def test_the_disk_is_emptied_no_faster_than_allowed(spool: Spool) -> None:
    spool.append([tick("a", n, 100) for n in range(100)])
    broker = FakeBroker()
    way = Courier(spool, broker.send, CourierLimits(replay_per_s=10))
    for n in range(5):
        way.step(n * SECOND, START_US)
        broker.poll()
        assert len(broker.log) <= 10 * n


def test_what_a_run_before_left_is_sent_first(spool: Spool) -> None:
    spool.append([tick("a", 0), tick("a", 1)])
    broker = FakeBroker()
    way = courier(spool, broker)
    way.step(0, START_US)
    way.take([tick("a", 2)], SECOND)
    way.step(2 * SECOND, START_US)
    broker.poll()
    assert seqs(broker) == [0, 1, 2]


def test_a_clock_that_was_set_back_leaves_nothing_on_disk(spool: Spool) -> None:
    broker = FakeBroker()
    way = courier(spool, broker, "always")
    way.step(0, START_US)
    way.take([tick("a", 1000)], SECOND)
    way.step(2 * SECOND, START_US)
    way.take([tick("a", 5)], 3 * SECOND)
    way.step(4 * SECOND, START_US)
    broker.poll()
    way.step(5 * SECOND, START_US)
    assert sorted(set(seqs(broker))) == [5, 1000]
    assert spool.rows == 0


class Outages(RuleBasedStateMachine):
    """Cameras tick while the broker comes and goes and the producer is killed now and then."""

    @initialize(mode=st.sampled_from(["outage", "always"]))
    def begin(self, mode: Literal["outage", "always"]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.broker = FakeBroker()
        self.mode = mode
        self.now_us = 0
        self.next_seq = {"a": 0, "b": 0}
        self.lost: set[tuple[str, int]] = set()  # in memory only when the producer was killed
        self._open()

    def _open(self) -> None:
        self.spool = Spool(Path(self._folder.name), 10_000_000)
        self.way = courier(self.spool, self.broker, self.mode)

    @rule(cameras=st.sampled_from(["a", "b", "ab"]), count=st.integers(1, 4))
    def ticks(self, cameras: str, count: int) -> None:
        taken = []
        for _ in range(count):
            for camera in cameras:
                taken.append(tick(camera, self.next_seq[camera], 3_000))
                self.next_seq[camera] += 1
        self.way.take(taken, self.now_us)

    @rule(seconds=st.sampled_from([0.1, 1, 3]))
    def time_goes_by(self, seconds: float) -> None:
        self.now_us += round(seconds * SECOND)
        self.way.step(self.now_us, START_US)

    @rule()
    def the_broker_answers(self) -> None:
        self.broker.poll()

    @rule(up=st.booleans())
    def the_broker_comes_or_goes(self, up: bool) -> None:
        self.broker.up = up

    @rule(unnoticed=st.integers(0, 3))
    def the_producer_is_killed(self, unnoticed: int) -> None:
        self.broker.took_unnoticed(unnoticed)
        self.broker.forget_queue()
        self.spool.close()
        self._open()
        kept = {(one.camera, record_of(one).seq) for one in self.broker.log}
        for camera in self.next_seq:
            kept |= {
                (camera, record_of(s.tick).seq) for s in self.spool.read(camera, -(1 << 62), 9999)
            }
        every = {(c, n) for c, count in self.next_seq.items() for n in range(count)}
        gone = every - kept - self.lost
        # Only what was in flight for less than `persist_after_us`, and nothing with `always`.
        assert not gone or self.mode == "outage"
        self.lost |= gone

    @invariant()
    def memory_is_bounded(self) -> None:
        if hasattr(self, "way"):
            # Eight are read from disk at once, after one look at the room that there is.
            assert self.way.in_flight <= WINDOW // 4_000 + 8

    def teardown(self) -> None:
        if not hasattr(self, "way"):
            return
        self.broker.up = True
        for _ in range(200):
            self.now_us += SECOND
            self.way.step(self.now_us, START_US)
            self.broker.poll()
        for camera, count in self.next_seq.items():
            first_occurrences = list(dict.fromkeys(seqs(self.broker, camera)))
            expected = [n for n in range(count) if (camera, n) not in self.lost]
            assert first_occurrences == expected
        self.way.step(self.now_us, START_US)
        assert self.spool.rows == 0
        self.spool.close()
        self._folder.cleanup()


TestOutages = Outages.TestCase
TestOutages.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
