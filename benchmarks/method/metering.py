"""How much a process did, how long it took, and how much CPU: between its first and last record.

Start-up (imports, joining a group, an engine's compilation) is in none of the figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.method.pairing import Pair
from benchmarks.method.results import Result, result
from onehertz.processes import RoleProcess
from runtime.errors import FatalError

INTERVAL_S = 0.1  # an answer of /metrics costs the role about 2 ms


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


def thread_cpu_seconds(process_id: int, counts: Callable[[str, bool], bool]) -> float:
    """CPU time of those threads of another process that count, by name and whether it is the main
    thread. Linux. Raises OSError where there is no such process.
    """
    total_ns = 0
    for task in Path(f"/proc/{process_id}/task").iterdir():
        with suppress(FileNotFoundError):  # it has just ended
            if counts((task / "comm").read_text().strip(), task.name == str(process_id)):
                total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def at_work(samples: Sequence[Sample], total: int, after: int = 0) -> Work:
    """What was done between the first and the last sample that show a process in mid-work.

    Samples before its first record (or that many) and from its last one on are left out: it waited
    there, or was warming up.
    Raises ValueError where fewer than two are left, or nothing was done between them.
    """
    busy = [sample for sample in samples if after < sample.records < total]
    if len(busy) < 2 or busy[0].records == busy[-1].records:
        raise ValueError(f"{total} records were done too soon to be metered: {len(busy)} samples")
    first, last = busy[0], busy[-1]
    return Work(last.records - first.records, last.at_s - first.at_s, last.cpu_s - first.cpu_s)


def meter(
    role: RoleProcess,
    counter: str,
    total: int,
    within_s: float,
    interval_s: float = INTERVAL_S,
    after: int = 0,
    cpu_of: Callable[[int], float] = cpu_seconds,
) -> Work:
    """Watch a running role until its metric `counter` has come to `total`, or it has ended well.

    `cpu_of`: CPU seconds of the process with that id, or of what of it is to be metered.

    Raises FatalError where it ends otherwise, takes too long, or is done too soon to be metered.
    """
    samples: list[Sample] = []
    deadline_s = time.monotonic() + within_s
    while role.is_running and not (samples and samples[-1].records >= total):
        if time.monotonic() > deadline_s:
            raise FatalError(f"{role.name}: not done in {within_s:g} s; {role.last_lines()}")
        time.sleep(interval_s)
        records = role.metrics().get(counter)
        if records is not None:
            with suppress(OSError):  # it has just ended
                cpu_s = cpu_of(role.process.pid)
                samples.append(Sample(time.monotonic(), cpu_s, records))
    if not role.is_running and role.process.returncode != 0:
        raise FatalError(f"{role.name}: exit code {role.process.returncode}; {role.last_lines()}")
    try:
        return at_work(samples, total, after)
    except ValueError as error:
        raise FatalError(f"{role.name}: {error}; give it more to do") from None


def compared(
    name: str,
    rounds: Sequence[Mapping[str, Work]],
    sides: tuple[str, str],
    what: str,
    compared_with: str,
    *,
    wanted_rate: float | None = None,
    wanted_cpu: float | None = None,
) -> list[Result]:
    """Two results, rate and CPU per `what`, of one side of the rounds against another."""
    ours, other = sides
    rates = [Pair(run[ours].per_second, run[other].per_second) for run in rounds]
    cpu = [Pair(run[ours].cpu_ms, run[other].cpu_ms) for run in rounds]
    return [
        result(f"{name}.rate", rates, f"{what}s/s", compared_with, wanted_rate),
        result(f"{name}.cpu", cpu, f"CPU ms/{what}", compared_with, wanted_cpu),
    ]
