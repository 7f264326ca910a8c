"""Whose frames come into a batch, and when it closes, in ms of a clock that the tests move."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.batching.batcher import Batcher
from inference_worker.batching.controller import BatchController


def batcher_of(max_batch: int, max_wait_ms: float = 100.0) -> Batcher[object]:
    return Batcher(BatchController(max_batch, max_wait_ms, p95_ms=1e9))


def expecting(batcher: Batcher[object]) -> Batcher[object]:
    """The same batcher, in the midst of many frames."""
    for _ in range(1_000):
        batcher.controller.arrived(0)
    return batcher


def test_a_full_batch_closes_at_once():
    batcher = expecting(batcher_of(2))
    batcher.add("north", "a", 0)
    assert batcher.take(0) == ()
    batcher.add("south", "b", 1)
    assert batcher.take(1) == ("a", "b")
    assert batcher.take(1) == ()


def test_a_batch_closes_when_its_oldest_frame_has_waited_its_budget():
    batcher = expecting(batcher_of(8))
    batcher.add("north", "a", 0)
    batcher.add("south", "b", 60)
    assert batcher.due_at_ms(60) == 100
    assert batcher.take(60) == ()
    assert batcher.take(100) == ("a", "b")
    assert batcher.due_at_ms(100) is None


def test_what_does_not_fit_waits_for_the_next_batch():
    batcher = batcher_of(2)
    for number in range(3):
        batcher.add("north", number, 0)
    assert batcher.take(0) == (0, 1)
    assert len(batcher) == 1


def test_nothing_waits_for_frames_that_will_not_come():
    batcher = batcher_of(8)
    batcher.add("north", "a", 1_000)
    assert batcher.take(1_000) == ("a",)


def test_a_batch_stays_open_as_long_as_the_engine_is_busy():
    batcher = batcher_of(8)
    batcher.controller.observe(1, 60.0, 10.0, 0.0)
    batcher.add("north", "a", 0)
    assert batcher.take(0) == ("a",)
    batcher.add("north", "b", 5)
    # "a" is ready at 10 and through at 70; "b" takes 10 to be made ready.
    assert batcher.due_at_ms(5) == 60
    batcher.through(1, 60.0, 10.0, 40)
    assert batcher.take(40) == ("b",)


def test_a_camera_that_floods_waits_for_itself():
    batcher = batcher_of(4)
    for number in range(1_000):
        batcher.add("flood", ("flood", number), 0)
    assert batcher.take(0) == tuple(("flood", number) for number in range(4))
    for name in ("north", "south"):
        batcher.add(name, (name, 0), 1)
    taken = batcher.take(1)
    assert {("north", 0), ("south", 0)} < set(taken)
    assert ("flood", 4) in taken


def test_frames_of_a_lost_partition_are_dropped():
    batcher = batcher_of(8)
    for number in range(4):
        batcher.add("north", number, number)
    assert batcher.drop(lambda number: number in (0, 2)) == [0, 2]
    assert batcher.flush(9) == (1, 3)
    assert len(batcher) == 0


def test_flushing_gives_what_waits_in_batches():
    batcher = batcher_of(2)
    for number in range(3):
        batcher.add("north", number, 0)
    assert [batcher.flush(0), batcher.flush(0), batcher.flush(0)] == [(0, 1), (2,), ()]


def test_a_frame_in_tiles_fills_a_batch_as_so_many_inferences():
    batcher = expecting(batcher_of(8))
    batcher.add("far", "tiles", 0, inferences=7)
    assert batcher.take(0) == ()
    batcher.add("north", "a", 0)
    batcher.add("south", "b", 0)
    assert batcher.inferences == 9
    assert batcher.take(0) == ("tiles", "a")
    assert batcher.inferences == 1


def test_a_frame_in_more_tiles_than_a_batch_holds_goes_alone():
    batcher = batcher_of(4)
    for camera in ("far", "farther"):
        batcher.add(camera, camera, 0, inferences=7)
    assert [batcher.take(0), batcher.take(0)] == [("far",), ("farther",)]


def test_what_is_dropped_is_expected_no_more():
    batcher = batcher_of(8)
    batcher.add("far", "tiles", 0, inferences=7)
    batcher.add("north", "a", 0)
    assert batcher.drop(lambda item: item == "tiles") == ["tiles"]
    assert batcher.inferences == 1


ARRIVALS = st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 300)), max_size=60)


@given(ARRIVALS, st.integers(1, 6), st.floats(0, 250), st.floats(1, 80))
def test_none_is_lost_order_is_kept_and_no_idle_engine_waits_beyond_the_budget(
    arrivals, max_batch, max_wait_ms, engine_ms
):
    batcher: Batcher[tuple[str, int]] = Batcher(BatchController(max_batch, max_wait_ms, 500.0))
    came: dict[tuple[str, int], float] = {}
    taken: list[tuple[str, int]] = []
    free_ms = now_ms = 0.0

    def work_until(until_ms: float) -> None:
        """One batch at a time, as soon as it has closed and the engine is free."""
        nonlocal free_ms
        while (due_ms := batcher.due_at_ms(free_ms)) is not None:
            at_ms = max(free_ms, due_ms)
            if at_ms > until_ms:
                return
            batch = batcher.take(at_ms)
            assert 1 <= len(batch) <= max_batch, "it was due and did not close"
            oldest_ms = min(came[one] for one in batch)
            assert at_ms <= max(free_ms, oldest_ms + max_wait_ms, *(came[one] for one in batch))
            taken.extend(batch)
            free_ms = at_ms + engine_ms
            batcher.through(len(batch), engine_ms, 0.0, free_ms)

    for number, (camera, pause) in enumerate(arrivals):
        work_until(now_ms + pause)
        now_ms += pause
        free_ms = max(free_ms, now_ms)
        came[(camera, number)] = now_ms
        batcher.add(camera, (camera, number), now_ms)
    work_until(float("inf"))

    assert Counter(taken) == Counter(came.keys())
    by_camera = defaultdict(list)
    for camera, number in taken:
        by_camera[camera].append(number)
    assert all(numbers == sorted(numbers) for numbers in by_camera.values())


@given(st.lists(st.sampled_from("aaaaaaab"), min_size=1, max_size=80), st.integers(1, 5))
def test_no_camera_is_more_than_a_frame_ahead_of_another_that_waits(cameras, max_batch):
    batcher: Batcher[str] = batcher_of(max_batch)
    for camera in cameras:
        batcher.add(camera, camera, 0)
    left, done = Counter(cameras), Counter()
    while batch := batcher.flush(0):
        for camera in batch:
            left[camera] -= 1
            done[camera] += 1
            others = [done[other] for other in left if left[other] > 0 and other != camera]
            assert all(done[camera] <= other + 1 for other in others)


@pytest.mark.parametrize(("max_batch", "max_wait_ms", "p95_ms"), [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_limits_that_make_no_sense_are_refused(max_batch, max_wait_ms, p95_ms):
    with pytest.raises(ValueError, match="makes no sense"):
        BatchController(max_batch, max_wait_ms, p95_ms)
