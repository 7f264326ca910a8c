"""What a worker may have in hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inference_worker.loop.room import Room


def test_reading_ends_when_as_many_records_are_in_hand_as_there_may_be():
    room = Room(max_records=10, max_bytes=1e9)
    for _ in range(10):
        room.take(0, 0)
    assert room.left == 0
    room.give(0, 0)
    assert room.left == 1


def test_a_partition_that_comes_back_is_held_up_no_more():
    room = Room(max_records=10, max_bytes=1e9)
    for _ in range(8):
        room.take(0, 0)
    assert room.held_up([0, 1, 2, 3]) == {0}
    room.forget(0)
    for _ in range(2):  # as much as keeps one held up that is
        room.take(0, 0)
    assert room.held_up([0, 1, 2, 3]) == frozenset()


def test_large_pictures_end_it_sooner():
    room = Room(max_records=1_000, max_bytes=1e6)
    for _ in range(4):
        room.take(0, 250_000)
    assert room.left == 0


def test_a_partition_that_crowds_the_others_out_is_held_up_until_it_has_shrunk():
    room = Room(max_records=100, max_bytes=1e9)
    for _ in range(45):
        room.take(0, 0)
    assert room.held_up([0, 1, 2, 3]) == frozenset()
    for _ in range(10):
        room.take(0, 0)
    assert room.held_up([0, 1, 2, 3]) == {0}
    for _ in range(42):
        room.give(0, 0)
    assert room.held_up([0, 1, 2, 3]) == {0}
    room.give(0, 0)
    assert room.held_up([0, 1, 2, 3]) == frozenset()


def test_partitions_that_are_equally_full_are_not_held_up():
    room = Room(max_records=100, max_bytes=1e9)
    for number in range(100):
        room.take(number % 4, 0)
    assert room.held_up(range(4)) == frozenset()


def test_what_a_lost_partition_held_is_free_again():
    room = Room(max_records=10, max_bytes=1e9)
    for _ in range(10):
        room.take(3, 0)
    assert room.held_up([1, 2, 3]) == {3}
    room.forget(3)
    assert room.left == 10
    assert room.held_up([1, 2]) == frozenset()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10_000)), max_size=60))
def test_room_that_is_given_back_is_all_there_again(records):
    room = Room(max_records=100, max_bytes=1e6)
    for partition, size in records:
        room.take(partition, size)
    assert set(room.held_up(range(4))) <= {partition for partition, _ in records}
    for partition, size in records:
        room.give(partition, size)
    assert room.left == 100
    assert room.held_up(range(4)) == frozenset()


def test_other_limits_count_from_then_on_for_what_is_in_hand_too():
    room = Room(max_records=10, max_bytes=1e6)
    for _ in range(8):
        room.take(0, 1_000)
    room.limit(100, 1e6)
    assert room.left == 91  # 8 of 100 records, and 8 of 1000 kB
    room.limit(4, 1e6)
    assert room.left == 0
    for _ in range(8):
        room.give(0, 1_000)
    assert room.left == 4
