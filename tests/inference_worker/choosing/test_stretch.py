"""Batches on several lanes, by a clock of the test's own."""

from __future__ import annotations

import threading

import pytest

from inference_worker.choosing.stretch import Clocks, stretch
from inference_worker.metering.meter import Meter
from inference_worker.metering.nvml import Gpu
from runtime.errors import FatalError
from tests.inference_worker.metering.fake_nvml import FakeNvml


class Machine:
    """A clock that goes on by 10 ms with each batch."""

    def __init__(self) -> None:
        self.nvml, self.threads, self.batches = FakeNvml(), set[int](), 0

    def run(self) -> None:
        self.threads.add(threading.get_ident())
        self.nvml.advance(0.01)
        self.batches += 1

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.nvml.now_s, lambda: 2 * self.nvml.now_s)


def test_one_lane_does_one_batch_on_the_threads_own():
    machine = Machine()
    found = stretch(machine.run, 1, machine.clocks)
    assert found.latencies_ms == pytest.approx([10])
    assert (found.wall_ms, found.cpu_ms) == pytest.approx((10, 20))
    assert machine.threads == {threading.get_ident()}


def test_a_stretch_goes_on_until_its_time_is_over():
    machine = Machine()
    found = stretch(machine.run, 1, machine.clocks, least_s=0.095)
    assert found.batches == machine.batches == 10


def test_several_lanes_have_their_batches_under_way_at_once():
    both, done = threading.Barrier(2), []

    def run() -> None:
        both.wait(10)  # breaks, unless the other lane comes here too
        done.append(1)

    found = stretch(run, 2, Clocks())
    assert found.batches == len(done) == 8  # enough that the first and last do not count much


def test_a_batch_that_fails_on_a_lane_fails_the_stretch():
    def run() -> None:
        raise FatalError("broken")

    with pytest.raises(FatalError, match="broken"):
        stretch(run, 2, Clocks())


def test_a_meter_sees_the_whole_stretch():
    machine = Machine()
    found = stretch(
        machine.run, 1, machine.clocks, least_s=0.1,
        new_meter=lambda: Meter(Gpu(machine.nvml), lambda: machine.nvml.now_s, threaded=False),
    )  # fmt: skip
    assert found.used is not None
    assert found.used.joules == pytest.approx(100 * 0.1, rel=0.11)
