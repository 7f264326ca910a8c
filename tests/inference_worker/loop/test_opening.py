"""The model that a worker starts with, while the process says that it is alive."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from inference_worker.detector import Detector
from inference_worker.loop import opening
from inference_worker.loop.opening import Opening
from runtime.errors import UserError
from runtime.health import Health
from runtime.lifecycle import Stop

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_BEAT_S", 0.001)


class HourlyHealth(Health):
    """An hour passes before each beat."""

    def __init__(self) -> None:
        self.now_s = 0.0
        super().__init__(60.0, clock=lambda: self.now_s)
        self.seen: list[tuple[bool, bool]] = []
        self.beaten = threading.Event()

    def beat(self, *, progressed: bool, waiting_for_work: bool) -> None:
        self.now_s += 3600.0
        super().beat(progressed=progressed, waiting_for_work=waiting_for_work)
        self.seen.append((self.alive()[0], self.ready()[0]))
        if len(self.seen) == 3:
            self.beaten.set()


def test_a_process_is_alive_and_not_ready_while_its_model_takes_hours(
    small_detector: Callable[..., Detector],
) -> None:
    made, health = small_detector(), HourlyHealth()

    def load() -> Detector:
        assert health.beaten.wait(PATIENCE_S)
        return made

    first = Opening(load)
    assert first.detector(Stop(), health) is made
    assert set(health.seen) == {(True, False)}
    assert not first.is_left


def test_what_loading_raises_is_raised() -> None:
    def load() -> Detector:
        raise UserError("there is no such model")

    with pytest.raises(UserError, match="no such model"):
        Opening(load).detector(Stop(), Health(60.0))


def test_a_stop_leaves_a_model_that_is_being_loaded() -> None:
    stop, is_over = Stop(), threading.Event()

    def load() -> Detector:
        stop.request()
        assert is_over.wait(PATIENCE_S)
        raise UserError("nobody listens any more")

    first = Opening(load)
    assert first.detector(stop, Health(60.0)) is None
    assert first.is_left
    is_over.set()
