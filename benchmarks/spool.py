"""The spool of live cameras, against bare files on the same disk. No Kafka in it.

Ticks of 20 cameras, 100 kB each. Appending is compared with writing the same bytes to a file, and
an fsync as often as the spool commits: after each tick, as an outage has them, and after twenty, as
a slow disk makes of it. Draining is reading, sending to nobody, acknowledging and deleting, through
the courier; compared with that writing, and with reading the bare file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.method import backlog
from benchmarks.method.metering import Stopwatch, Work, compared
from benchmarks.method.pairing import Pair, interleaved
from benchmarks.method.results import Result, result
from benchmarks.method.site import Say, Site
from producers.courier import Courier, CourierLimits
from producers.spool import Spool, Tick
from schemas.codec import encode_frame

TICKS = 2_000
TICK_BYTES = 100_000
CAMERAS = 20  # a tick a second each
ROUNDS = 5

_MAX_BYTES = 20_000_000_000
_HOUR_TICKS = 3_600 * CAMERAS
_STEP_US = 50_000
_PATTERNS = {"single": 1, "twenty": 20}  # ticks to a commit, or an fsync
_WRITE = "bare write of the same bytes, an fsync as often"
_READ = "bare read of the same file, from the system's cache"
_PERIOD = "the time between two ticks of 20 cameras"


def run(site: Site, rounds: int) -> list[Result]:
    """Ticks/s and CPU per tick, in two patterns; and an outage's share of time."""
    ticks = list(_ticks(site.sized(TICKS)))
    found: list[Result] = []
    for name, at_once in _PATTERNS.items():

        def ours(at_once: int = at_once) -> dict[str, Work]:
            return _spooled(site.folder / "spool-bench", ticks, at_once)

        def bare(at_once: int = at_once) -> dict[str, Work]:
            return _written(site.folder / "bare", ticks, at_once)

        measured = interleaved(rounds, {"ours": ours, "bare": bare})
        found += _compared(name, measured)
    return found


def _compared(name: str, measured: Sequence[dict[str, dict[str, Work]]]) -> list[Result]:
    def against(ours: str, other: str) -> list[dict[str, Work]]:
        return [{"ours": run["ours"][ours], "bare": run["bare"][other]} for run in measured]

    sides = ("ours", "bare")
    found = compared(f"spool.{name}.append", against("append", "write"), sides, "tick", _WRITE)
    found += compared(
        f"spool.{name}.drain", against("drain", "write"), sides, "tick", _WRITE, wanted_rate=0.5
    )
    found += compared(f"spool.{name}.drain-read", against("drain", "read"), sides, "tick", _READ)[
        :1
    ]
    if name == "single":
        period_ms = 1000 / CAMERAS
        pairs = [Pair(1000 / run["ours"]["append"].per_second, period_ms) for run in measured]
        found.append(result("spool.outage", pairs, "ms/tick", _PERIOD))
    return found


def hour(say: Say) -> None:
    """An hour's outage of 20 cameras, as fast as it goes: 7.2 GB, appended and drained once."""
    with TemporaryDirectory(prefix="onehertz-bench-") as folder:
        outage(Path(folder), _HOUR_TICKS, say)


def outage(folder: Path, ticks: int, say: Say) -> None:
    """Append so many ticks one by one, then drain them; says how long it took."""
    spool = Spool(folder, _MAX_BYTES)
    try:
        appended = _appended(spool, _ticks(ticks), 1)
        say(f"{ticks} ticks appended in {_minutes(appended)}, {_on_disk(folder):.2f} GB on disk")
        drained = _drained(spool)
        say(f"drained in {_minutes(drained)}, {_on_disk(folder):.2f} GB left on disk")
    finally:
        spool.close()


def _minutes(work: Work) -> str:
    return f"{work.seconds / 60:.2f} min ({work.per_second:.0f} ticks/s, CPU {work.cpu_s:.1f} s)"


def _on_disk(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e9


def _ticks(number: int) -> Iterator[Tick]:
    """Of each camera in turn."""
    began_at = datetime.now(UTC) - timedelta(seconds=number)
    jpegs = [bytes(TICK_BYTES)] * 64
    for record in backlog.captured(jpegs, number, began_at, cameras=CAMERAS):
        yield Tick(record.camera, record.captured_at_us, encode_frame(record, "produce"))


def _spooled(folder: Path, ticks: Sequence[Tick], at_once: int) -> dict[str, Work]:
    spool = Spool(folder, _MAX_BYTES)
    try:
        return {"append": _appended(spool, iter(ticks), at_once), "drain": _drained(spool)}
    finally:
        spool.close()


def _appended(spool: Spool, ticks: Iterator[Tick], at_once: int) -> Work:
    taken, seconds, cpu_s = 0, 0.0, 0.0
    while some := [tick for _, tick in zip(range(at_once), ticks, strict=False)]:
        watch = Stopwatch()  # without the making of ticks
        spool.append(some)
        work = watch.work(len(some))
        taken, seconds, cpu_s = taken + len(some), seconds + work.seconds, cpu_s + work.cpu_s
    return Work(taken, seconds, cpu_s)


def _drained(spool: Spool) -> Work:
    landed: list[Callable[[], None]] = []
    limits = CourierLimits(replay_per_s=1e6)
    courier = Courier(spool, lambda _tick, land: landed.append(land), limits)
    watch, ticks = Stopwatch(), spool.rows
    for step in count():
        if not spool.rows:
            break
        courier.step(step * _STEP_US, 0)
        for land in landed:
            land()
        landed.clear()
    return watch.work(ticks)


def _written(path: Path, ticks: Sequence[Tick], at_once: int) -> dict[str, Work]:
    watch = Stopwatch()
    with path.open("wb", buffering=0) as file:
        for first in range(0, len(ticks), at_once):
            for tick in ticks[first : first + at_once]:
                file.write(tick.wire.value)
            os.fsync(file)
    written = watch.work(len(ticks))
    watch = Stopwatch()
    with path.open("rb", buffering=0) as file:
        while file.read(TICK_BYTES):
            pass
    read = watch.work(len(ticks))
    path.unlink()
    return {"write": written, "read": read}
