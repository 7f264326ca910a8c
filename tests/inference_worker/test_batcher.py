"""When batches close, in milliseconds of a clock that the tests move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.batcher import Batcher


def test_a_full_batch_closes_at_once():
    batcher: Batcher[str] = Batcher(max_batch=2, max_wait_ms=100)
    batcher.add("a", 0)
    assert batcher.take(0) == ()
    batcher.add("b", 1)
    assert batcher.take(1) == ("a", "b")
    assert batcher.take(1) == ()


def test_a_batch_closes_when_its_oldest_frame_has_waited_its_budget():
    batcher: Batcher[str] = Batcher(max_batch=8, max_wait_ms=100)
    batcher.add("a", 0)
    batcher.add("b", 90)
    assert batcher.due_at_ms() == 100
    assert batcher.take(99.9) == ()
    assert batcher.take(100) == ("a", "b")
    assert batcher.due_at_ms() is None


def test_what_does_not_fit_waits_from_when_it_came():
    batcher: Batcher[int] = Batcher(max_batch=2, max_wait_ms=100)
    for number in range(3):
        batcher.add(number, number * 10)
    assert batcher.take(20) == (0, 1)
    assert batcher.due_at_ms() == 120
    assert batcher.take(119) == ()
    assert batcher.take(120) == (2,)


def test_without_patience_nothing_waits():
    batcher: Batcher[str] = Batcher(max_batch=8, max_wait_ms=0)
    batcher.add("a", 5)
    assert batcher.take(5) == ("a",)


def test_flushing_gives_what_waits_in_batches():
    batcher: Batcher[int] = Batcher(max_batch=2, max_wait_ms=100)
    for number in range(3):
        batcher.add(number, 0)
    assert [batcher.flush(), batcher.flush(), batcher.flush()] == [(0, 1), (2,), ()]


def test_frames_of_a_lost_partition_are_dropped():
    batcher: Batcher[int] = Batcher(max_batch=8, max_wait_ms=100)
    for number in range(4):
        batcher.add(number, number)
    batcher.drop(lambda number: number < 2)
    assert batcher.due_at_ms() == 102
    assert batcher.flush() == (2, 3)


@pytest.mark.parametrize(("max_batch", "max_wait_ms"), [(0, 1), (1, -1)])
def test_limits_that_make_no_sense_are_refused(max_batch, max_wait_ms):
    with pytest.raises(ValueError, match="makes no sense"):
        Batcher(max_batch, max_wait_ms)


@given(
    # Pauses in ms before each frame; the loop wakes at each arrival and at each due time.
    pauses=st.lists(st.floats(0, 300), max_size=40),
    max_batch=st.integers(1, 6),
    max_wait_ms=st.floats(0, 250),
)
def test_no_frame_waits_longer_than_its_budget_and_none_is_lost(pauses, max_batch, max_wait_ms):
    batcher: Batcher[int] = Batcher(max_batch, max_wait_ms)
    came: list[float] = []
    batches: list[tuple[float, tuple[int, ...]]] = []

    def wake(now_ms: float) -> None:
        while batch := batcher.take(now_ms):
            batches.append((now_ms, batch))

    def sleep_until(until_ms: float) -> None:
        while (due_ms := batcher.due_at_ms()) is not None and due_ms <= until_ms:
            waiting = len(batcher)
            wake(due_ms)
            assert len(batcher) < waiting, "a batch was due and did not close"

    now_ms = 0.0
    for number, pause in enumerate(pauses):
        now_ms += pause
        sleep_until(now_ms)
        came.append(now_ms)
        batcher.add(number, now_ms)
        wake(now_ms)
    sleep_until(now_ms + max_wait_ms)

    assert len(batcher) == 0
    assert [number for _, batch in batches for number in batch] == list(range(len(pauses)))
    for closed_ms, batch in batches:
        assert 1 <= len(batch) <= max_batch
        assert closed_ms <= came[batch[0]] + max_wait_ms
        assert len(batch) == max_batch or closed_ms == came[batch[0]] + max_wait_ms
