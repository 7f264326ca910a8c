"""How much a process did, how long it took, and how much CPU: between its first and last record.

Start-up (imports, joining a group, an engine's compilation) is in none of the figures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from onehertz.processes import RoleProcess
from runtime.errors import FatalError

_INTERVAL_S = 0.1  # an answer of /metrics costs the role about 2 ms


class Sample(NamedTuple):
    """A process as it was at a moment of the monotonic clock."""

    at_s: float
    cpu_s: float  # of all its threads so far
    records: float  # done so far


class Work(NamedTuple):
    """Some records, and what they took."""

    records: float
    seconds: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        return self.records / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per record."""
        return 1000 * self.cpu_s / self.records


class Stopwatch:
    """Meters the process that it runs in; starts when it is made."""

    def __init__(self) -> None:
        self._began = Sample(time.monotonic(), time.process_time(), 0)

    def work(self, records: int) -> Work:
        """What `records` have taken since the start."""
        seconds = time.monotonic() - self._began.at_s
        return Work(records, seconds, time.process_time() - self._began.cpu_s)


def cpu_seconds(process_id: int) -> float:
    """CPU time of another process, all its threads, in nanosecond steps. Linux.

    Raises OSError where there is no such process.
    """
    return time.clock_gettime((~process_id << 3) | 2)  # as clock_getcpuclockid(3) makes it


def at_work(samples: Sequence[Sample], total: int) -> Work:
    """What was done between the first and the last sample that show a process in mid-work.

    Samples before its first record and from its last one on are left out: it waited there.
    Raises ValueError where fewer than two are left, or nothing was done between them.
    """
    busy = [sample for sample in samples if 0 < sample.records < total]
    if len(busy) < 2 or busy[0].records == busy[-1].records:
        raise ValueError(f"{total} records were done too soon to be metered: {len(busy)} samples")
    first, last = busy[0], busy[-1]
    return Work(last.records - first.records, last.at_s - first.at_s, last.cpu_s - first.cpu_s)


def meter(role: RoleProcess, counter: str, total: int, within_s: float) -> Work:
    """Watch a running role until its metric `counter` has come to `total`, or it has ended well.

    Raises FatalError where it ends otherwise, takes too long, or is done too soon to be metered.
    """
    samples: list[Sample] = []
    deadline_s = time.monotonic() + within_s
    while role.is_running and not (samples and samples[-1].records >= total):
        if time.monotonic() > deadline_s:
            raise FatalError(f"{role.name}: not done in {within_s:g} s; {role.last_lines()}")
        time.sleep(_INTERVAL_S)
        records = role.metrics().get(counter)
        if records is not None and role.is_running:
            cpu_s = cpu_seconds(role.process.pid)
            samples.append(Sample(time.monotonic(), cpu_s, records))
    if not role.is_running and role.process.returncode != 0:
        raise FatalError(f"{role.name}: exit code {role.process.returncode}; {role.last_lines()}")
    try:
        return at_work(samples, total)
    except ValueError as error:
        raise FatalError(f"{role.name}: {error}; give it more to do") from None
