"""Batches one after the other, on as many lanes as an engine has."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import NamedTuple

from inference_worker.metering.meter import Meter, Used

Clock = Callable[[], float]
NewMeter = Callable[[], Meter]

_A_LANE = 4  # batches at least, where there are several: filling and draining them count less


@dataclass(frozen=True)
class Clocks:
    """In seconds: of the wall, and the CPU time of all threads of this process."""

    wall: Clock = perf_counter
    cpu: Clock = process_time


class Stretch(NamedTuple):
    """Some batches, and what they took."""

    wall_ms: float  # all of them together, from the first one's start to the last one's end
    cpu_ms: float
    latencies_ms: list[float]  # of each batch
    used: Used | None = None  # by the GPU

    @property
    def batches(self) -> int:
        return len(self.latencies_ms)


def stretch(
    run: Callable[[], object],
    lanes: int,
    clocks: Clocks,
    *,
    least_s: float = 0.0,
    new_meter: NewMeter | None = None,
) -> Stretch:
    """`run` does one batch, on `lanes` threads at once, again and again for `least_s`.

    One lane runs on the calling thread, once at least. Raises what `run` raises.
    """
    metering: AbstractContextManager[Meter | None] = new_meter() if new_meter else nullcontext()
    with metering as meter:
        began_s, began_cpu_s = clocks.wall(), clocks.cpu()

        def lane(at_least: int) -> list[float]:
            taken: list[float] = []
            while len(taken) < at_least or clocks.wall() - began_s < least_s:
                from_s = clocks.wall()
                run()
                taken.append((clocks.wall() - from_s) * 1000)
            return taken

        if lanes == 1:
            taken = lane(1)
        else:
            with ThreadPoolExecutor(lanes) as threads:
                found = [threads.submit(lane, _A_LANE) for _ in range(lanes)]
                taken = [ms for future in found for ms in future.result()]
        wall_ms = (clocks.wall() - began_s) * 1000
        cpu_ms = (clocks.cpu() - began_cpu_s) * 1000
    return Stretch(wall_ms, cpu_ms, taken, meter.used if meter else None)
