"""From nothing to boxes: a frame waits in frames-gated, and only then is a worker started.

What a cluster adds before that (KEDA's look at the lag, a place on a node, the image) is not in it.
`.warm`: the worker's cache has what an earlier start has left there, as a shared volume has.
`.new`: it has the detector's files and nothing else, as at the first start on a kind of machine;
the worker tries its engines then. Both beside what a worker that runs takes for the same frame.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from confluent_kafka import TopicPartition

from benchmarks.method import backlog
from benchmarks.method.pairing import Pair, interleaved
from benchmarks.method.results import Result, result
from benchmarks.method.site import Line, Site
from onehertz.assets import fetch, user_cache
from onehertz.processes import RoleProcess
from runtime.errors import FatalError
from runtime.kafka import reader

ROUNDS = 5

_DETECTOR = ("ssd-mobilenetv2-oidv4", "ssd-mobilenetv2-oidv4-labels", "bikes")
_WITHIN_S = 120.0


def run(site: Site, rounds: int) -> list[Result]:
    """Seconds until the frame's boxes are in detections."""
    line = site.line("cold-start", {"infer": {"model": "ssd-mobilenet-v2"}})
    kept, numbers = line.folder / "kept", count()
    _fill(kept)
    frames = _Frames(line)
    with _worker(line, "first", kept):  # leaves its choice
        frames.seconds()

    def started(cache: Callable[[], Path]) -> float:
        frames.send()
        began_s = time.monotonic()
        with _worker(line, f"worker-{next(numbers)}", cache()):
            frames.wait()
            return time.monotonic() - began_s

    def running() -> float:
        with _worker(line, f"running-{next(numbers)}", kept):
            frames.seconds()
            return frames.seconds()

    def new() -> Path:
        folder = line.folder / f"new-{next(numbers)}"
        _fill(folder)
        return folder

    measured = interleaved(
        rounds,
        {"warm": lambda: started(lambda: kept), "new": lambda: started(new), "running": running},
    )
    return [
        result(
            f"cold-start.{name}", [Pair(one[name], one["running"]) for one in measured], "s",
            "a worker that runs already, the same frame",
        )
        for name in ("warm", "new")
    ]  # fmt: skip


def _fill(cache: Path) -> None:
    """The detector's files, as `onehertz assets fetch` has put them into the user's cache."""
    for path in fetch(_DETECTOR).values():
        copy = cache / path.relative_to(user_cache())
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


@contextmanager
def _worker(line: Line, name: str, cache: Path) -> Iterator[None]:
    arguments = ["infer", "--config", str(line.config)]
    role = RoleProcess(name, arguments, line.folder, {"ONEHERTZ_CACHE": str(cache)})
    role.start()
    try:
        yield
    finally:
        code = role.stop()
    if code != 0:
        raise FatalError(f"{name} ended with exit code {code}; {role.last_lines()}")


class _Frames:
    """Sends one frame at a time, of one camera, and waits for what becomes of it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._jpegs = backlog.pictures()
        self._consumer = reader(line.settings.kafka)
        topic = line.settings.line.topic("detections")
        partitions = range(line.settings.line.partitions)
        self._consumer.assign([TopicPartition(topic, number, 0) for number in partitions])

    def send(self) -> None:
        kafka, topic = self._line.settings.kafka, self._line.settings.line.topic("frames-gated")
        backlog.send(backlog.kept(self._jpegs, 1, datetime.now(UTC)), "gate", kafka, topic)

    def wait(self) -> None:
        """Raises FatalError where it does not come."""
        deadline_s = time.monotonic() + _WITHIN_S
        while time.monotonic() < deadline_s:
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                return
        raise FatalError(f"no detections in {_WITHIN_S:g} s")

    def seconds(self) -> float:
        self.send()
        began_s = time.monotonic()
        self.wait()
        return time.monotonic() - began_s
