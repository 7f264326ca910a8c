"""Tries the ways to run a model on this machine, one against the other, in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from inference_worker.admission import synthetic_pictures
from inference_worker.backends.base import Image
from inference_worker.choosing.measured import Measured
from inference_worker.choosing.plans import FLOAT32, Plan
from inference_worker.detector import Detector
from runtime.errors import FatalError, UserError

SIZES = (8, 4, 2, 1)  # of batches, the one that decides first
ROUNDS = 5
BUDGET_S = 6.0  # for the rounds; opening and first batches take about as long again

Clock = Callable[[], float]
OpenPlan = Callable[[Plan], Detector]
# Why a detector in fewer bits than float32 is not to be used; empty: it sees what float32 sees.
Judge = Callable[[Detector], str]


@dataclass
class _Trial:
    """One plan under way."""

    plan: Plan
    detector: Detector | None = None
    refusal: str = ""
    wall_ms: dict[int, list[float]] = field(default_factory=dict)
    cpu_ms: dict[int, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Clocks:
    """In seconds: of the wall, and the CPU time of all threads of this process."""

    wall: Clock = time.perf_counter
    cpu: Clock = time.process_time


def measure(
    plans: Sequence[Plan],
    open_plan: OpenPlan,
    judge: Judge,
    *,
    budget_s: float = BUDGET_S,
    rounds: int = ROUNDS,
    sizes: Sequence[int] = SIZES,
    clocks: Clocks | None = None,
    told: Callable[[], None] = lambda: None,
) -> list[Measured]:
    """One row for each plan, in rounds: every plan once, so that all share the machine's mood.

    Of a slow model only small batches are tried. `told` is called after each batch.
    """
    clocks = clocks or Clocks()
    pictures = synthetic_pictures(max(sizes) + 2)[2:]  # without the plain ones
    trials = [_opened(plan, open_plan) for plan in plans]
    opened = [trial.detector for trial in trials if trial.detector is not None]
    single_s = [_warm_up(trial, pictures, clocks) for trial in trials]
    sizes = _affordable(sizes, sum(single_s), budget_s)
    for trial in trials:
        _time(trial, pictures[: sizes[0]], clocks, keep=False)
        _judge(trial, judge)
    until_s = clocks.wall() + budget_s
    for size in [*sizes] * rounds:
        for trial in trials:
            if clocks.wall() < until_s or not trial.wall_ms:
                _time(trial, pictures[:size], clocks)
                told()
    for detector in opened:
        detector.close()
    return [
        Measured(
            trial.plan,
            _medians(trial.wall_ms),
            _medians(trial.cpu_ms),
            trial.refusal,
            {size: (min(took), max(took)) for size, took in sorted(trial.wall_ms.items())},
        )
        for trial in trials
    ]


def _affordable(sizes: Sequence[int], all_s: float, budget_s: float) -> list[int]:
    """Those that all plans get through twice; at least a pair, without which streams are idle.

    `all_s`: what an image takes, of all plans together.
    """
    return [size for size in sizes if size <= 2 or 2 * size * all_s <= budget_s]


def _opened(plan: Plan, open_plan: OpenPlan) -> _Trial:
    try:
        detector = open_plan(plan)
    except UserError as error:
        return _Trial(plan, refusal=str(error))
    if (became := detector.backend.precision) != plan.precision:
        detector.close()
        return _Trial(plan, refusal=f"the engine makes {became} of {plan.precision} here")
    return _Trial(plan, detector)


def _warm_up(trial: _Trial, pictures: Sequence[Image], clocks: Clocks) -> float:
    """The first image, which costs more than later ones; how many seconds the second takes."""
    _time(trial, pictures[:1], clocks, keep=False)
    began_s = clocks.wall()
    _time(trial, pictures[:1], clocks, keep=False)
    return clocks.wall() - began_s


def _judge(trial: _Trial, judge: Judge) -> None:
    if trial.detector is not None and trial.plan.precision != FLOAT32:
        trial.refusal = judge(trial.detector)


def _time(trial: _Trial, pictures: Sequence[Image], clocks: Clocks, *, keep: bool = True) -> None:
    """One batch; a plan that fails is out."""
    if (detector := trial.detector) is None:
        return
    pictures = pictures[: detector.backend.max_batch]
    prepared = detector.prepare(pictures)
    wall_s, cpu_s = clocks.wall(), clocks.cpu()
    try:
        detector.run(prepared)
    except FatalError as error:
        trial.detector, trial.refusal = None, str(error)
        return
    took_cpu_ms, took_ms = (clocks.cpu() - cpu_s) * 1000, (clocks.wall() - wall_s) * 1000
    if keep:
        trial.cpu_ms.setdefault(len(pictures), []).append(took_cpu_ms)
        trial.wall_ms.setdefault(len(pictures), []).append(took_ms)


def _medians(times: dict[int, list[float]]) -> dict[int, float]:
    return {size: round(median(found), 3) for size, found in sorted(times.items())}
