"""How large batches become, by hand and in simulation."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.batching.batch_times import BatchTimes, quantile
from inference_worker.batching.controller import BatchController
from tests.inference_worker.batching.batch_simulation import (
    ENGINES,
    P95_MS,
    Engine,
    Fixed,
    capacity,
    poisson,
    simulate,
)

MAX_BATCH, MAX_WAIT_MS = 16, 100.0
GPU = {size: ENGINES["gpu"](size) for size in (1, 2, 4, 8, 16)}


def controller(p95_ms: float = P95_MS, seed_ms: dict[int, float] | None = None) -> BatchController:
    return BatchController(MAX_BATCH, MAX_WAIT_MS, p95_ms, 0.0, GPU if seed_ms is None else seed_ms)


# ---------------------------------------------------------------- sizes


def test_the_largest_batch_is_taken_that_holds_the_objective():
    # Twice what a batch takes, at most nine tenths of the objective: 2 * (8 + 1.5 n) <= 54.
    assert controller(p95_ms=60.0).size(waiting=1) == 12
    assert controller(p95_ms=1_000.0).size(waiting=1) == 16


def test_with_two_batches_on_the_engine_a_frame_may_wait_for_both_and_its_own():
    # 3 * (8 + 1.5 n) <= 81.
    seed_ms = GPU
    lanes = BatchController(MAX_BATCH, MAX_WAIT_MS, 90.0, 0.0, seed_ms, lanes=2)
    assert lanes.size(waiting=1) == 12
    assert controller(p95_ms=90.0).size(waiting=1) == 16


def test_a_pile_is_worked_off_in_the_batches_that_carry_most():
    tight = controller(p95_ms=30.0)
    assert tight.size(waiting=3) == 3
    assert tight.is_held(3)
    assert not tight.is_held(4)
    assert tight.size(waiting=4) == 16


def test_an_objective_that_no_batch_holds_does_not_make_batches_small():
    hopeless = controller(p95_ms=5.0)
    assert not hopeless.is_held(1)
    assert hopeless.size(waiting=1) == 16


def test_a_batch_that_carries_less_than_smaller_ones_is_not_taken():
    cache_bound = {1: 20.0, 2: 30.0, 4: 48.0, 8: 120.0, 16: 300.0}
    assert controller(p95_ms=5.0, seed_ms=cache_bound).size(waiting=100) == 4


def test_without_experience_the_limits_alone_hold():
    fresh = controller(seed_ms={})
    assert fresh.size(waiting=1) == MAX_BATCH
    assert fresh.engine_ms(4) == 0


def test_larger_batches_are_tried_one_by_one_while_there_is_a_pile():
    learning = controller(p95_ms=5.0, seed_ms={1: 9.5})
    sizes = []
    for step in range(5):
        sizes.append(learning.size(waiting=100))
        learning.observe(sizes[-1], ENGINES["gpu"](sizes[-1]), 0.0, float(step))
    assert sizes == [2, 4, 8, 16, 16]


# ---------------------------------------------------------------- waiting


def arriving(one: BatchController, per_s: float) -> float:
    """Feeds a regular stream for 20 s; returns its end."""
    gap_ms = 1000 / per_s
    for number in range(int(20 * per_s)):
        one.arrived(number * gap_ms)
    return (int(20 * per_s) - 1) * gap_ms


def test_a_batch_waits_while_frames_come_that_make_it_cheaper():
    busy = controller()
    now_ms = arriving(busy, per_s=100)
    assert busy.plan(3, now_ms, now_ms, 0.0).close_at_ms == now_ms + MAX_WAIT_MS


def test_a_batch_closes_early_when_the_next_frame_would_come_too_late():
    quiet = controller()
    now_ms = arriving(quiet, per_s=5)
    assert quiet.plan(3, now_ms, now_ms, 0.0).close_at_ms == now_ms


def test_a_batch_closes_in_time_for_its_oldest_frame():
    tight = controller(p95_ms=60.0)
    now_ms = arriving(tight, per_s=200)
    # 54 ms less the 14 that a batch of 4 takes.
    assert tight.plan(3, now_ms, now_ms, 0.0).close_at_ms == pytest.approx(now_ms + 40.0)


def test_a_batch_that_gains_nothing_by_waiting_closes():
    flat = controller(seed_ms={1: 20.0, 2: 40.0, 4: 80.0})
    now_ms = arriving(flat, per_s=100)
    assert flat.plan(1, now_ms, now_ms, 0.0).close_at_ms == now_ms
    assert flat.plan(1, now_ms, now_ms, now_ms + 30).close_at_ms == now_ms + 30


def test_another_models_controller_expects_the_frames_that_the_one_before_saw():
    before, after = controller(), controller()
    now_ms = arriving(before, per_s=100)
    after.replace(before)
    assert after.plan(3, now_ms, now_ms, 0.0).close_at_ms == now_ms + MAX_WAIT_MS


# ---------------------------------------------------------------- times


def test_a_frame_in_more_tiles_than_a_batch_holds_tells_what_a_full_batch_takes():
    tiled = BatchController(4, MAX_WAIT_MS, P95_MS)
    tiled.observe(6, 90.0, 0.0, 0.0)
    assert tiled.engine_ms(4) == pytest.approx(60.0)


def test_an_outlier_rules_no_size_out():
    times = BatchTimes(16, {4: 14.0, 8: 20.0}, 0.0)
    times.observe(16, 5_000.0, 1.0)
    assert times.typical_ms(16) <= 1.5 * 2 * 20.0
    times.observe(1, 5_000.0, 2.0)  # the first one, before the engine was warm
    assert times.typical_ms(1) <= 14.0


def test_a_size_that_was_not_used_for_a_minute_is_judged_by_its_neighbours():
    times = BatchTimes(16, {8: 20.0, 16: 900.0}, 0.0)
    for second in range(1, 70):
        times.observe(8, 20.0, second * 1000.0)
    assert set(times.seen) == {8}
    assert times.typical_ms(16) == 40.0


SAMPLES = st.lists(
    st.tuples(st.integers(1, MAX_BATCH), st.floats(0.01, 1e6), st.floats(0, 1e4)), max_size=40
)


@given(SAMPLES)
def test_larger_batches_are_never_expected_to_take_less(samples):
    times, now_ms = BatchTimes(MAX_BATCH, {}, 0.0), 0.0
    for size, took_ms, pause_ms in samples:
        now_ms += pause_ms
        times.observe(size, took_ms, now_ms)
    for ask in (times.typical_ms, times.high_ms):
        expected = [ask(size) for size in range(1, MAX_BATCH + 1)]
        assert all(a <= b * (1 + 1e-9) for a, b in pairwise(expected))
        assert all(0 <= value <= 1e6 * MAX_BATCH for value in expected)


@given(
    SAMPLES,
    st.integers(1, 300),
    st.floats(0, 500),
    st.floats(-1e3, 1e4),
    st.floats(0.1, 1e4),
)
def test_a_plan_keeps_to_its_limits_whatever_was_seen(samples, waiting, age_ms, busy_ms, p95_ms):
    one, now_ms = BatchController(MAX_BATCH, MAX_WAIT_MS, p95_ms), 0.0
    for size, took_ms, pause_ms in samples:
        now_ms += pause_ms
        one.observe(size, took_ms, took_ms / 10, now_ms)
        one.arrived(now_ms)
    plan = one.plan(waiting, now_ms - age_ms, now_ms, now_ms + busy_ms)
    assert 1 <= plan.size <= MAX_BATCH
    assert (
        now_ms <= plan.close_at_ms <= max(now_ms, now_ms - age_ms + MAX_WAIT_MS, now_ms + busy_ms)
    )
    if waiting >= plan.size:
        assert plan.close_at_ms == now_ms


def test_95_of_100_keep_within_the_quantile():
    values = [float(value) for value in range(100, 0, -1)]
    assert quantile(values, 0.95) == 95
    assert quantile([3.0], 0.95) == 3
    assert quantile([1.0, 2.0], 0.5) == 1


# ---------------------------------------------------------------- in simulation


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("load", [0.02, 0.2, 0.5])
def test_the_objective_is_held_and_frames_are_sooner_than_under_fixed_limits(
    engine: str, load: float
):
    engine_ms = ENGINES[engine]
    arrivals = list(poisson(load * capacity(engine_ms, MAX_BATCH), 60.0))
    ours = simulate(BatchController(MAX_BATCH, MAX_WAIT_MS, P95_MS), arrivals, Engine(engine_ms))
    fixed = simulate(Fixed(MAX_BATCH, MAX_WAIT_MS, P95_MS), arrivals, Engine(engine_ms))
    assert ours.p95_ms <= P95_MS
    assert ours.p95_ms <= fixed.p95_ms * 1.02
    assert ours.busy <= fixed.busy + 0.05


@pytest.mark.parametrize("engine", ENGINES)
def test_an_overload_is_worked_off_about_as_fast_as_full_batches_would(engine: str):
    engine_ms = ENGINES[engine]
    arrivals = list(poisson(2 * capacity(engine_ms, MAX_BATCH), 20.0))
    ours = simulate(BatchController(MAX_BATCH, MAX_WAIT_MS, P95_MS), arrivals, Engine(engine_ms))
    fixed = simulate(Fixed(MAX_BATCH, MAX_WAIT_MS, P95_MS), arrivals, Engine(engine_ms))
    assert ours.batch > MAX_BATCH / 2
    assert ours.p95_ms < 1.1 * fixed.p95_ms


def test_a_gpus_batches_fill_as_far_as_the_objective_lets_them():
    engine_ms = ENGINES["gpu"]
    arrivals = list(poisson(150.0, 60.0))
    tight = simulate(BatchController(MAX_BATCH, MAX_WAIT_MS, 50.0), arrivals, Engine(engine_ms))
    loose = simulate(BatchController(MAX_BATCH, MAX_WAIT_MS, 500.0), arrivals, Engine(engine_ms))
    assert tight.p95_ms <= 50.0 * 1.1
    assert loose.batch > 2 * tight.batch


@pytest.mark.parametrize("load", [0.2, 0.8, 2.0])
def test_two_lanes_do_no_worse_than_one_and_carry_more_where_copies_overlap(load: float):
    """A GPU, of whose time for a batch a third is copying."""
    engine_ms = ENGINES["gpu"]
    arrivals = list(poisson(load * capacity(engine_ms, MAX_BATCH), 30.0))
    lanes = {
        "one": Engine(engine_ms),
        "two": Engine(lambda size: engine_ms(size) * 2 / 3, lambda size: engine_ms(size) / 3, 2),
        "two that only take turns": Engine(engine_ms, lanes=2),
    }
    found = {
        name: simulate(
            BatchController(MAX_BATCH, MAX_WAIT_MS, P95_MS, lanes=engine.lanes), arrivals, engine
        )
        for name, engine in lanes.items()
    }
    one, two, turns = found.values()
    assert turns.per_s > 0.98 * one.per_s
    if load < 1:
        assert max(one.p95_ms, two.p95_ms, turns.p95_ms) <= P95_MS
    else:
        assert two.per_s > 1.4 * one.per_s
