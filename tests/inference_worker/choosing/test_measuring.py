"""Ways to run a model, tried against each other on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from inference_worker.backends.base import EngineBroken, Outputs, Tensor
from inference_worker.choosing.measured import Measured, Power, best
from inference_worker.choosing.measuring import Clocks, Stretching, measure
from inference_worker.choosing.plans import Plan
from inference_worker.detector import Detector
from inference_worker.metering.meter import Meter
from inference_worker.metering.nvml import Gpu
from runtime.errors import FatalError, UserError
from tests.inference_worker.metering.fake_nvml import FakeNvml
from tests.inference_worker.onnx_models import SMALL_ANCHORS, SMALL_CLASSES, SMALL_SSD

WHOLE = Plan("openvino", "cpu", "float32", 2, 0)
STREAMS = Plan("openvino", "cpu", "float32", 2, 2)
HALF = Plan("openvino", "cpu", "bfloat16", 2, 0)


class Machine:
    """A machine with a clock: each engine takes its time for an image."""

    def __init__(self, image_ms: Mapping[Plan, float]) -> None:
        self.image_ms = image_ms
        self.now_s = 0.0
        self.calls: list[tuple[Plan, int]] = []
        self.fails_at: tuple[Plan, int] | None = None
        self.error = FatalError("broken")
        self.max_batch = 8
        self.open_engines = 0

    def open(self, plan: Plan) -> Detector:
        return Detector(SMALL_SSD, Engine(self, plan))

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.now_s, lambda: 2 * self.now_s)


class Engine:
    device, input_names, lanes = "cpu", ("images",), 1

    def __init__(self, machine: Machine, plan: Plan) -> None:
        self.machine, self.plan = machine, plan
        self.name, self.precision = plan.engine, plan.precision
        self.max_batch = machine.max_batch
        machine.open_engines += 1

    def close(self) -> None:
        self.machine.open_engines -= 1

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        batch = len(inputs["images"])
        self.machine.calls.append((self.plan, batch))
        if self.machine.fails_at == (self.plan, batch):
            raise self.machine.error
        self.machine.now_s += batch * self.machine.image_ms[self.plan] / 1000
        return {
            "boxes": np.zeros((batch, SMALL_ANCHORS, 4), dtype=np.float32),
            "scores": np.zeros((batch, SMALL_ANCHORS, SMALL_CLASSES), dtype=np.float32),
        }


def tried(machine: Machine, *plans: Plan, judge: str = "") -> list[Measured]:
    return measure(plans, machine.open, lambda _: judge, clocks=machine.clocks)


def test_the_times_of_every_batch_size_are_there():
    (row,) = tried(Machine({WHOLE: 10}), WHOLE)
    assert row.plan == WHOLE
    assert row.batch_ms == pytest.approx({1: 10, 2: 20, 4: 40, 8: 80})
    assert row.batch_cpu_ms == pytest.approx({1: 20, 2: 40, 4: 80, 8: 160})


def test_the_faster_way_is_the_best():
    rows = tried(Machine({WHOLE: 10, STREAMS: 7}), WHOLE, STREAMS)
    chosen = best(rows, 8)
    assert chosen is not None
    assert chosen.plan == STREAMS


def test_ways_take_turns_batch_by_batch():
    machine = Machine({WHOLE: 1, STREAMS: 1})
    tried(machine, WHOLE, STREAMS)
    rounds = [plan for plan, size in machine.calls if size == 4]
    assert rounds == [WHOLE, STREAMS] * 5


def test_fewer_bits_that_see_something_else_are_refused_however_fast():
    rows = tried(Machine({WHOLE: 10, HALF: 1}), WHOLE, HALF, judge="it sees nothing")
    assert [row.refusal for row in rows] == ["", "it sees nothing"]
    assert best(rows, 8) == rows[0]


def test_fewer_bits_that_see_the_same_are_taken():
    rows = tried(Machine({WHOLE: 10, HALF: 6}), WHOLE, HALF)
    assert best(rows, 8) == rows[1]


def test_a_way_that_cannot_be_opened_is_out():
    machine = Machine({WHOLE: 10, STREAMS: 1})

    def opened(plan: Plan) -> Detector:
        if plan == STREAMS:
            raise UserError("no such engine")
        return machine.open(plan)

    rows = measure([WHOLE, STREAMS], opened, lambda _: "", clocks=machine.clocks)
    assert rows[1] == Measured(STREAMS, {}, {}, "no such engine")
    assert best(rows, 8) == rows[0]


@pytest.mark.parametrize("size", [1, 4, 8])
def test_a_way_that_fails_on_a_batch_is_out(size: int):
    machine = Machine({WHOLE: 1, STREAMS: 10})
    machine.fails_at = WHOLE, size
    rows = tried(machine, WHOLE, STREAMS)
    assert rows[0].refusal == "broken"
    assert best(rows, 8) == rows[1]


def test_where_all_fail_there_is_no_best():
    machine = Machine({WHOLE: 1})
    machine.fails_at = WHOLE, 1
    assert best(tried(machine, WHOLE), 8) is None


def test_an_engine_that_computes_in_other_bits_than_asked_is_out():
    machine = Machine({WHOLE: 1, HALF: 1})

    def opened(plan: Plan) -> Detector:
        detector = machine.open(plan)
        detector.backend.precision = "float32"
        return detector

    rows = measure([WHOLE, HALF], opened, lambda _: "", clocks=machine.clocks)
    assert rows[1].refusal == "the engine makes float32 of bfloat16 here"


def test_a_way_for_single_images_is_compared_by_the_image():
    machine = Machine({WHOLE: 10})
    machine.max_batch = 1
    (row,) = tried(machine, WHOLE)
    assert row.batch_ms == pytest.approx({1: 10})
    assert row.cost(8) == pytest.approx((10 * 20) ** 0.5)


@pytest.mark.parametrize("image_ms", [1, 100, 1_000, 5_000])
def test_a_slow_model_is_tried_on_small_batches_and_for_a_bounded_time(image_ms: float):
    machine = Machine({WHOLE: image_ms, STREAMS: image_ms})
    rows = tried(machine, WHOLE, STREAMS)
    assert all(row.batch_ms for row in rows)
    # Six seconds of rounds and as many of warming up; of a slow model two pairs at the least.
    assert machine.now_s <= 20 + 12 * image_ms / 1000


def test_without_batches_the_way_that_is_fast_on_one_image_is_the_best():
    whole = Measured(WHOLE, {1: 10, 8: 80}, {1: 10, 8: 80})
    streams = Measured(STREAMS, {1: 15, 8: 40}, {1: 15, 8: 40})
    assert best([whole, streams], 1) == whole
    assert best([whole, streams], 8) == streams


def test_processor_time_counts_as_much_as_the_clock():
    hungry = Measured(WHOLE, {8: 80}, {8: 160})
    thrifty = Measured(STREAMS, {8: 88}, {8: 90})
    assert best([hungry, thrifty], 8) == thrifty


def test_nothing_stays_open_that_was_tried():
    machine = Machine({WHOLE: 10.0, HALF: 5.0})
    measure([WHOLE, HALF], machine.open, lambda _: "", clocks=machine.clocks)
    assert machine.open_engines == 0


def test_what_a_gpu_takes_for_a_batch_is_there_by_size():
    machine, nvml = Machine({WHOLE: 10}), FakeNvml()
    nvml.counts_energy = False
    (row,) = measure(
        [WHOLE], machine.open, lambda _: "", clocks=machine.clocks, sizes=(8, 1),
        stretching=Stretching(1.0, lambda: Meter(Gpu(nvml), lambda: machine.now_s, threaded=False)),
    )  # fmt: skip
    # 100 W: a joule in the 10 ms of an image.
    assert row.batch_power[1].joules_per_batch == pytest.approx(1.0)
    assert row.batch_power[8] == Power(pytest.approx(100), pytest.approx(8), 0.5)
    assert row.batch_latency_ms[8] == pytest.approx((80, 80))


def test_a_device_that_fails_is_no_plans_fault_and_all_that_was_opened_is_closed():
    machine = Machine({WHOLE: 10, STREAMS: 20})
    machine.fails_at, machine.error = (STREAMS, 4), EngineBroken("the GPU is gone")
    with pytest.raises(EngineBroken):
        tried(machine, WHOLE, STREAMS)
    assert machine.open_engines == 0
