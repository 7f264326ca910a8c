"""Energy and use of a GPU between two moments."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from statistics import fmean
from types import TracebackType
from typing import NamedTuple, Protocol, Self

_SAMPLES_PER_S = 20  # GPUs renew their power reading every 20 to 100 ms


class Readings(Protocol):
    """What a meter asks of a GPU, see `nvml.Gpu`."""

    def watts(self) -> float | None: ...
    def joules(self) -> float | None: ...
    def utilisation(self) -> float | None: ...


class Used(NamedTuple):
    """What a GPU took over some time; None: it does not tell."""

    seconds: float
    joules: float | None
    utilisation: float | None  # mean of the samples

    @property
    def watts(self) -> float | None:
        return None if self.joules is None or not self.seconds else self.joules / self.seconds


class PowerSamples:
    """Integrates power over time by the trapezoidal rule. Pure."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self.joules: float | None = None  # until the second sample

    def add(self, at_s: float, watts: float) -> None:
        """Samples in the order of their times."""
        if self._last is not None:
            before_s, before = self._last
            self.joules = (self.joules or 0.0) + (at_s - before_s) * (watts + before) / 2
        self._last = at_s, watts


class Meter:
    """`with Meter(gpu) as meter: ...; meter.used`: reads on a thread of its own meanwhile."""

    def __init__(
        self, gpu: Readings, clock: Callable[[], float] = time.monotonic, *, threaded: bool = True
    ) -> None:
        """`threaded`: else who uses it calls `sample`."""
        self._gpu, self._clock = gpu, clock
        self._power, self._busy = PowerSamples(), list[float]()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep_sampling) if threaded else None

    def __enter__(self) -> Self:
        self._began_s, self._began_joules = self._clock(), self._gpu.joules()
        self.sample()
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
        self.sample()
        seconds, joules = self._clock() - self._began_s, self._power.joules
        ended, began = self._gpu.joules(), self._began_joules
        if ended is not None and began is not None:  # counted by the GPU itself
            joules = ended - began
        self.used = Used(seconds, joules, fmean(self._busy) if self._busy else None)

    def sample(self) -> None:
        """Power and use as they are now."""
        watts, busy = self._gpu.watts(), self._gpu.utilisation()
        if watts is not None:
            self._power.add(self._clock(), watts)
        if busy is not None:
            self._busy.append(busy)

    def _keep_sampling(self) -> None:
        while not self._done.wait(1 / _SAMPLES_PER_S):
            self.sample()
