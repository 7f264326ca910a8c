"""When a source that is asked for each picture is asked."""

from __future__ import annotations

import threading

from producers.live.demand import TickDemand


class Clock:
    """Set by hand, µs."""

    def __init__(self) -> None:
        self.now_us = 0

    def __call__(self) -> int:
        return self.now_us


def test_a_tick_is_asked_for_once_and_those_gone_by_not_at_all() -> None:
    clock = Clock()
    demand = TickDemand(1000, clock)
    asked = []
    for now_us in (0, 1000, 1000, 5500):
        clock.now_us = now_us
        assert demand.wait()
        asked.append(demand.asked)
    assert asked == [0, 1, 2, 6]


def test_who_waits_is_woken_by_the_end() -> None:
    demand = TickDemand(3_600_000_000, Clock())
    assert demand.wait()
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(demand.wait()))
    waiting.start()
    demand.close()
    waiting.join(10)
    assert answers == [False]
