"""Tries the ways to run a model on this machine, one against the other, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import fmean, median

from inference_worker.admission import synthetic_pictures
from inference_worker.backends.base import EngineBroken, Image
from inference_worker.batching.batch_times import quantile
from inference_worker.choosing.measured import Measured, Power
from inference_worker.choosing.plans import FLOAT32, Plan
from inference_worker.choosing.stretch import Clocks, NewMeter, Stretch, stretch
from inference_worker.detector import Detector
from runtime.errors import FatalError, UserError

SIZES = (8, 4, 2, 1)  # of batches, the one that decides first
ROUNDS = 5
BUDGET_S = 6.0  # for the rounds; opening and first batches take about as long again

OpenPlan = Callable[[Plan], Detector]
# Why a detector in fewer bits than float32 is not to be used; empty: it sees what float32 sees.
Judge = Callable[[Detector], str]


@dataclass
class _Trial:
    """One plan under way."""

    plan: Plan
    detector: Detector | None = None
    refusal: str = ""
    found: dict[int, list[Stretch]] = field(default_factory=dict)  # by batch size


@dataclass(frozen=True)
class Stretching:
    """How long each turn of a plan lasts; of 0 s: a batch, on a GPU a few on each lane."""

    least_s: float = 0.0
    new_meter: NewMeter | None = None  # of the GPU, whose readings need a second or so


_BATCHES = Stretching()


def measure(
    plans: Sequence[Plan],
    open_plan: OpenPlan,
    judge: Judge,
    *,
    budget_s: float = BUDGET_S,
    rounds: int = ROUNDS,
    sizes: Sequence[int] = SIZES,
    clocks: Clocks | None = None,
    stretching: Stretching = _BATCHES,
    pictures: Sequence[Image] = (),
    told: Callable[[], None] = lambda: None,
) -> list[Measured]:
    """One row for each plan, in rounds: every plan once, so that all share the machine's mood.

    Of a slow model only small batches are tried. `pictures`: as many as the largest batch has, else
    synthetic ones are. `told` is called after each turn. Raises EngineBroken: no plan is to blame.
    """
    clocks = clocks or Clocks()
    pictures = pictures or synthetic_pictures(max(sizes) + 2)[2:]  # without the plain ones
    with ExitStack() as opened:
        trials = [_opened(plan, open_plan, opened) for plan in plans]
        single_s = [_warm_up(trial, pictures, clocks) for trial in trials]
        sizes = _affordable(sizes, sum(single_s), budget_s)
        for trial in trials:
            _time(trial, pictures[: sizes[0]], clocks)
            _judge(trial, judge)
        until_s = clocks.wall() + budget_s
        for size in [*sizes] * rounds:
            for trial in trials:
                if clocks.wall() < until_s or not trial.found:
                    _time(trial, pictures[:size], clocks, keep=stretching)
                    told()
    return [_measured(trial) for trial in trials]


def _affordable(sizes: Sequence[int], all_s: float, budget_s: float) -> list[int]:
    """Those that all plans get through twice; at least a pair, without which streams are idle.

    `all_s`: what an image takes, of all plans together.
    """
    return [size for size in sizes if size <= 2 or 2 * size * all_s <= budget_s]


def _opened(plan: Plan, open_plan: OpenPlan, opened: ExitStack) -> _Trial:
    try:
        detector = open_plan(plan)
    except UserError as error:
        return _Trial(plan, refusal=str(error))
    if (became := detector.backend.precision) != plan.precision:
        detector.close()
        return _Trial(plan, refusal=f"the engine makes {became} of {plan.precision} here")
    opened.callback(detector.close)
    return _Trial(plan, detector)


def _warm_up(trial: _Trial, pictures: Sequence[Image], clocks: Clocks) -> float:
    """The first image, which costs more than later ones; how many seconds the second takes."""
    _time(trial, pictures[:1], clocks)
    began_s = clocks.wall()
    _time(trial, pictures[:1], clocks)
    return clocks.wall() - began_s


def _judge(trial: _Trial, judge: Judge) -> None:
    if trial.detector is not None and trial.plan.precision != FLOAT32:
        trial.refusal = judge(trial.detector)


def _time(
    trial: _Trial, pictures: Sequence[Image], clocks: Clocks, *, keep: Stretching | None = None
) -> None:
    """A turn, or a single batch that is not kept; a plan that fails is out."""
    if (detector := trial.detector) is None:
        return
    pictures = pictures[: detector.backend.max_batch]
    prepared = detector.prepare(pictures)
    try:
        if keep is None:
            detector.run(prepared)
            return
        found = stretch(
            lambda: detector.run(prepared), detector.backend.lanes, clocks,
            least_s=keep.least_s, new_meter=keep.new_meter,
        )  # fmt: skip
    except EngineBroken:
        raise
    except FatalError as error:
        trial.detector, trial.refusal = None, str(error)
        return
    trial.found.setdefault(len(pictures), []).append(found)


def _measured(trial: _Trial) -> Measured:
    by_size = sorted(trial.found.items())
    each_ms = {size: [one.wall_ms / one.batches for one in found] for size, found in by_size}
    latencies = {size: [ms for one in found for ms in one.latencies_ms] for size, found in by_size}
    return Measured(
        trial.plan,
        {size: round(median(took), 3) for size, took in each_ms.items()},
        {
            size: round(median(one.cpu_ms / one.batches for one in found), 3)
            for size, found in by_size
        },
        trial.refusal,
        {size: (min(took), max(took)) for size, took in each_ms.items()},
        {
            size: (round(median(took), 3), round(quantile(took, 0.95), 3))
            for size, took in latencies.items()
        },
        {size: power for size, found in by_size if (power := _power(found)) is not None},
    )


def _power(found: Sequence[Stretch]) -> Power | None:
    """None where nothing was metered."""
    used = [one.used for one in found if one.used is not None]
    if not used:
        return None
    joules = [one.joules for one in used if one.joules is not None]
    busy = [one.utilisation for one in used if one.utilisation is not None]
    told = len(joules) == len(used)
    return Power(
        watts=sum(joules) / sum(one.seconds for one in used) if told else None,
        joules_per_batch=sum(joules) / sum(one.batches for one in found) if told else None,
        utilisation=fmean(busy) if busy else None,
    )
