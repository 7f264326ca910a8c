"""An engine and its queue, simulated: what becomes of frames under one way of batching or another.

    python -m tests.inference_worker.batching.batch_simulation

prints what docs/worker.md says of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from statistics import fmean
from typing import NamedTuple

import click

from inference_worker.batching.batcher import Batcher
from inference_worker.batching.controller import BatchController, Plan

EngineMs = Callable[[int], float]
P95_MS = 300.0
_SIZE, _SECONDS, _DRAWS = 16, 120.0, 5

# A GPU's: mostly a fixed cost. A CPU's: nearly none.
ENGINES: dict[str, EngineMs] = {
    "gpu": lambda size: 8.0 + 1.5 * size,
    "cpu": lambda size: 6.0 + 18.0 * size,
}


class Fixed(BatchController):
    """The rule of before: full, or the oldest has waited; whatever the engine is doing."""

    def plan(self, waiting: int, oldest_ms: float, now_ms: float, free_at_ms: float) -> Plan:
        full = waiting >= self.max_batch
        return Plan(self.max_batch, now_ms if full else max(now_ms, oldest_ms + self._max_wait_ms))


@dataclass(frozen=True)
class Outcome:
    p95_ms: float
    batch: float  # frames in a batch, on the mean
    busy: float  # share of the time in which the engine worked
    per_s: float  # frames


def poisson(per_s: float, seconds: float, seed: int = 1) -> Iterator[float]:
    """Arrivals, ms."""
    chance, at_ms = random.Random(seed), 0.0
    while (at_ms := at_ms + chance.expovariate(per_s / 1000)) < seconds * 1000:
        yield at_ms


@dataclass(frozen=True)
class Engine:
    """Takes batches in `lanes` at once. They are copied side by side, and computed one by one."""

    compute_ms: EngineMs
    copy_ms: EngineMs = lambda size: 0.0
    lanes: int = 1


class _Batch(NamedTuple):
    ends_ms: float
    share_ms: float  # as `loop/lanes.py` tells it
    came_ms: tuple[float, ...]


def simulate(
    controller: BatchController, arrivals: list[float], engine: Engine, seed: int = 2
) -> Outcome:
    """An engine and the next batch, which is formed meanwhile.

    Its times vary by 10 %, and each hundredth batch takes five times as long.
    """
    batcher: Batcher[float] = Batcher(controller)
    chance = random.Random(seed)
    waiting, running = list(reversed(arrivals)), list[_Batch]()
    ends_ms = [0.0] * engine.lanes  # of the last batches, in order
    latencies: list[float] = []
    sizes: list[int] = []
    now_ms = busy_ms = 0.0
    while waiting or len(batcher) or running:
        due_ms = batcher.due_at_ms(now_ms) if len(running) <= engine.lanes else None
        events = [waiting[-1] if waiting else None, running[0].ends_ms if running else None, due_ms]
        now_ms = max(now_ms, min(event for event in events if event is not None))
        if running and running[0].ends_ms <= now_ms:
            through = running.pop(0)
            batcher.through(len(through.came_ms), through.share_ms, 0.0, now_ms)
            latencies += [now_ms - came_ms for came_ms in through.came_ms]
        while waiting and waiting[-1] <= now_ms:
            came_ms = waiting.pop()
            batcher.add(f"camera {int(came_ms) % 200}", came_ms, came_ms)
        while len(running) <= engine.lanes and (batch := batcher.take(now_ms)):
            hiccup = 5.0 if chance.random() < 0.01 else 1.0
            slower = chance.uniform(0.9, 1.1) * hiccup
            begins_ms = max(now_ms, ends_ms[0])  # when a lane is free
            copied_ms = begins_ms + engine.copy_ms(len(batch)) * slower
            end_ms = max(copied_ms, ends_ms[-1]) + engine.compute_ms(len(batch)) * slower
            share_ms = end_ms - max(begins_ms, ends_ms[-1])
            ends_ms = [*ends_ms[1:], end_ms]
            running.append(_Batch(end_ms, share_ms, batch))
            sizes.append(len(batch))
            busy_ms += share_ms
    latencies.sort()
    at_p95 = latencies[int(0.95 * len(latencies))]
    return Outcome(at_p95, fmean(sizes), busy_ms / now_ms, 1000 * len(arrivals) / now_ms)


def capacity(engine_ms: EngineMs, size: int) -> float:
    """Frames/s of batches of that size."""
    return 1000 * size / engine_ms(size)


def mean(controller: type[BatchController], engine_ms: EngineMs, per_s: float) -> Outcome:
    """Of some draws: right at an engine's limit one draw's p95 may be three times another's."""
    found = [
        simulate(
            controller(_SIZE, 100.0, P95_MS),
            list(poisson(per_s, _SECONDS, seed)),
            Engine(engine_ms),
            -seed,
        )
        for seed in range(1, _DRAWS + 1)
    ]
    return Outcome(*(fmean(values) for values in zip(*map(astuple, found), strict=True)))


def main() -> None:
    click.echo(f"p95 wanted: {P95_MS:g} ms; at most {_SIZE} in a batch; waits of at most 100 ms")
    for engine, engine_ms in ENGINES.items():
        for load in (0.02, 0.2, 0.5, 0.8, 0.95, 1.3):
            per_s = load * capacity(engine_ms, _SIZE)
            fixed = mean(Fixed, engine_ms, per_s)
            ours = mean(BatchController, engine_ms, per_s)
            click.echo(f"{engine} {load:5.0%} {per_s:6.1f}/s  fixed {fixed}\n{'':19}  ours  {ours}")


if __name__ == "__main__":
    main()
