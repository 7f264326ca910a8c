"""Several batches on the engine at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.backends.base import Backend, Outputs, Tensor
from inference_worker.detector import Detector
from inference_worker.loop.engine import Engine, Frame
from inference_worker.loop.lanes import Share
from inference_worker.loop.ordering import Ticket
from runtime.errors import FatalError
from runtime.metrics import Metrics
from schemas.messages import Kept, from_us
from vision.jpeg import encode_bgr

PATIENCE_S = 20.0
JPEG = encode_bgr(np.full((32, 40, 3), 60, dtype=np.uint8), 90)


class TwoLanes:
    """A backend of two lanes whose batches wait at a gate each, and that counts what it has."""

    lanes = 2

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        for name in ("name", "device", "precision", "max_batch", "input_names"):
            setattr(self, name, getattr(backend, name))
        self.gates: dict[int, threading.Event] = {}  # by size of batch
        self.inside: dict[int, threading.Event] = {}
        self.closed = 0
        for size in range(1, self.max_batch + 1):
            self.gates[size], self.inside[size] = threading.Event(), threading.Event()

    def infer(self, inputs: Mapping[str, Tensor]) -> Outputs:
        size = len(inputs["images"])
        self.inside[size].set()
        if not self.gates[size].wait(PATIENCE_S):
            raise FatalError("the test has forgotten to let it go")
        return self._backend.infer(inputs)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def detector(small_detector: Callable[..., Detector]) -> Detector:
    made = small_detector()
    made.backend = TwoLanes(made.backend)
    return made


def frames(count: int) -> tuple[Frame, ...]:
    def one(number: int) -> Frame:
        at = from_us(1_800_000_000_000_000 + number)
        record = Kept(camera="a", captured_at=at, run="r", seq=number, jpeg=JPEG, because="changed")
        return Frame(Ticket("a", 0, number, 1), None, record, 0)  # type: ignore[arg-type] # no Kafka

    return tuple(map(one, range(count)))


def test_each_lane_has_a_batch_and_one_more_is_made_ready(detector: Detector):
    engine, backend = Engine(detector, Metrics()), detector.backend
    try:
        for size in (1, 2, 3):
            assert not engine.is_full
            engine.start(frames(size))
        assert engine.is_full
        assert backend.inside[1].wait(PATIENCE_S)
        assert backend.inside[2].wait(PATIENCE_S)  # while the first is still inside
        assert not backend.inside[3].is_set()
        backend.gates[1].set()
        assert backend.inside[3].wait(PATIENCE_S)
    finally:
        for gate in backend.gates.values():
            gate.set()
        engine.close()


def test_a_batch_that_is_through_before_an_earlier_one_waits_for_it(detector: Detector):
    engine, backend = Engine(detector, Metrics()), detector.backend
    try:
        engine.start(frames(1))
        engine.start(frames(2))
        backend.gates[2].set()
        backend.gates[3].set()
        engine.start(frames(3))  # in the lane of the second
        assert backend.inside[3].wait(PATIENCE_S)
        assert engine.finished(0.0) == []
        backend.gates[1].set()
        sizes: list[int] = []
        while engine.running:
            sizes += [len(batch.answered) for batch in engine.finished(None)]
        assert sizes == [1, 2, 3]
    finally:
        engine.close()


def test_a_model_that_was_replaced_is_let_go_when_its_last_batch_is_through(
    detector: Detector, small_detector: Callable[..., Detector]
):
    engine, backend = Engine(detector, Metrics()), detector.backend
    try:
        engine.start(frames(1))
        engine.start(frames(2))
        engine.use(small_detector())
        backend.gates[1].set()
        assert [len(batch.answered) for batch in engine.finished(None)] == [1]
        assert backend.closed == 0
        backend.gates[2].set()
        assert [len(batch.answered) for batch in engine.finished(None)] == [2]
        assert backend.closed == 1
        engine.start(frames(1))
        assert len(engine.finished(None)) == 1
    finally:
        engine.close()
    assert backend.closed == 1


def test_the_model_that_serves_is_let_go_at_the_end(detector: Detector):
    engine = Engine(detector, Metrics())
    engine.close()
    assert detector.backend.closed == 1


TIMES = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), max_size=30)


@given(TIMES)
def test_shares_of_the_engine_add_up_to_no_more_than_the_time_that_passed(times):
    """`times`: when each batch began, and what it took; each is told of when it ends."""
    spans = sorted(((began, began + took) for began, took in times), key=lambda one: one[1])
    share = Share()
    shares = [share.of_s(began, ended) for began, ended in spans]
    assert all(
        0 <= one <= ended - began + 1e-9 for one, (began, ended) in zip(shares, spans, strict=True)
    )
    if spans:
        passed = max(ended for _, ended in spans) - min(began for began, _ in spans)
        assert sum(shares) <= passed + 1e-9


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=30))
def test_batches_one_after_the_other_have_the_engine_for_themselves(took_s):
    share, now_s = Share(), 5.0
    for took in took_s:
        assert share.of_s(now_s, now_s + took) == pytest.approx(took)
        now_s += took + 0.5


def test_of_two_that_overlap_the_second_has_what_it_took_longer():
    share = Share()
    assert share.of_s(0.0, 10.0) == 10.0
    assert share.of_s(2.0, 14.0) == 4.0
