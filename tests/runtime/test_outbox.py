"""What goes out together, and that nothing goes out twice or is left out."""

from __future__ import annotations

import pytest

from runtime.outbox import Batch, Outbox, Output
from schemas.codec import Wire

A_WHILE_S = 5.0


def out(text: str, partition: int = 0) -> Output:
    return Output("frames-gated", partition, Wire(b"camera", text.encode(), []))


def snapshot(camera: str, partition: int, offset: int) -> Output:
    return Output("gate-state", partition, Wire(camera.encode(), b"%d" % offset, []))


def texts(batch: Batch | None) -> list[str]:
    """Values of outputs, and camera@offset of snapshots."""
    assert batch is not None
    return [
        f"{o.wire.key.decode()}@{o.wire.value.decode()}"
        if o.topic == "gate-state"
        else o.wire.value.decode()
        for o in batch.outputs
    ]


@pytest.fixture
def outbox() -> Outbox:
    """One that owns partition 0 and has published its first snapshots at 0 s."""
    made = Outbox(A_WHILE_S)
    made.own(0, start=10, published_to=-1)
    made.add(0, 10, "north", [out("a")])
    assert texts(made.take(0.0, snapshot)) == ["a", "north@11"]
    return made


def test_the_first_batch_carries_snapshots(outbox: Outbox) -> None:
    other = Outbox(A_WHILE_S)
    other.own(0, start=10, published_to=-1)
    other.add(0, 10, "north", [out("a")])
    assert other.take(0.0, snapshot) == Batch([out("a"), snapshot("north", 0, 11)], {0: 11})


def test_outputs_leave_with_every_batch_and_offsets_only_with_snapshots(outbox: Outbox) -> None:
    outbox.add(0, 11, "north", [out("b")])
    assert outbox.take(1.0, snapshot) == Batch([out("b")], {0: 11})
    outbox.add(0, 12, "south", [out("c")])
    assert outbox.take(4.9, snapshot) == Batch([out("c")], {0: 11})
    outbox.add(0, 13, "south", [out("d")])
    due = outbox.take(5.0, snapshot)
    assert texts(due) == ["d", "north@14", "south@14"]
    assert due is not None
    assert due.offsets == {0: 14}


def test_the_first_outputs_of_each_partition_come_with_its_snapshots(outbox: Outbox) -> None:
    outbox.own(1, start=5, published_to=-1)
    outbox.add(0, 11, "north", [out("b")])
    assert texts(outbox.take(0.1, snapshot)) == ["b"]
    outbox.add(1, 5, None, [])
    assert outbox.take(0.2, snapshot) == Batch([], {0: 11, 1: 6})
    outbox.add(1, 6, "south", [out("x", 1)])
    assert texts(outbox.take(0.3, snapshot)) == ["x", "south@7"]
    outbox.add(1, 7, "south", [out("y", 1)])
    assert texts(outbox.take(0.4, snapshot)) == ["y"]


def test_partitions_take_turns_with_their_snapshots() -> None:
    outbox = Outbox(A_WHILE_S)
    for number in range(3):
        outbox.own(number, start=0, published_to=-1)
        outbox.add(number, 0, f"c{number}", [out("a", number)])
    assert texts(outbox.take(0.0, snapshot)) == ["a", "a", "a", "c0@1", "c1@1", "c2@1"]
    for number in range(3):
        outbox.add(number, 1, f"c{number}", [])
    turns = [outbox.take(at_s, snapshot) for at_s in (4.9, 5.0, 5.2, 5.4, 5.6)]
    assert [turn and texts(turn) for turn in turns] == [None, ["c0@2"], ["c1@2"], ["c2@2"], None]


def test_of_many_partitions_several_have_their_turn_at_once() -> None:
    outbox = Outbox(A_WHILE_S)
    for number in range(64):
        outbox.own(number, start=0, published_to=-1)
        outbox.add(number, 0, f"c{number}", [])
    assert len(texts(outbox.take(0.0, snapshot))) == 4


def sized_snapshot(camera: str, partition: int, offset: int) -> Output:
    return Output("gate-state", partition, Wire(camera.encode(), bytes(100), []))


def test_snapshots_wait_until_they_are_a_small_share_of_the_input() -> None:
    outbox = Outbox(A_WHILE_S, snapshot_share=0.05)
    outbox.own(0, start=0, published_to=-1)
    saved_at_s = []
    for second in range(60):
        outbox.add(0, second, "north", [out("a")], input_bytes=200)
        batch = outbox.take(float(second), sized_snapshot)
        assert batch is not None
        saved_at_s += [second] * (len(batch.outputs) - 1)
    assert saved_at_s == [0, 10, 20, 30, 40, 50]  # 100 bytes are 5 % of ten frames


def test_snapshots_of_dear_states_come_every_minute_and_as_soon_as_nothing_comes() -> None:
    outbox = Outbox(A_WHILE_S, snapshot_share=0.05)
    outbox.own(0, start=0, published_to=-1)
    saved_at_s = []
    for second in range(140):
        if second < 130:
            outbox.add(0, second, "north", [out("a")], input_bytes=1)
        batch = outbox.take(float(second), sized_snapshot)
        if batch is not None and batch.outputs[-1].topic == "gate-state":
            saved_at_s.append(second)
    assert saved_at_s == [0, 60, 120, 134]


def test_where_the_feedback_stands_moves_with_the_snapshots_too() -> None:
    outbox = Outbox(A_WHILE_S)
    outbox.own(0, start=10, published_to=-1, feedback=30)
    outbox.add(0, 10, "north", [out("a")])
    assert outbox.take(0.0, snapshot) == Batch(
        [out("a"), snapshot("north", 0, 11)], {0: 11}, {0: 30}
    )
    assert not outbox.expects_feedback(0, 29)
    assert outbox.expects_feedback(0, 30)
    outbox.add_feedback(0, 30, "north")
    assert not outbox.expects_feedback(0, 30)
    outbox.add(0, 11, None, [out("b")])
    assert outbox.take(1.0, snapshot) == Batch([out("b")], {0: 11}, {0: 30})
    assert outbox.take(5.0, snapshot) == Batch([snapshot("north", 0, 12)], {0: 12}, {0: 31})


def test_feedback_that_taught_nothing_is_no_reason_for_a_snapshot(outbox: Outbox) -> None:
    outbox.own(1, start=5, published_to=-1, feedback=0)
    outbox.add_feedback(1, 3, None)
    assert outbox.take(5.0, snapshot) == Batch([], {0: 11, 1: 5}, {1: 4})


def test_without_a_second_input_no_feedback_is_expected(outbox: Outbox) -> None:
    assert not outbox.expects_feedback(0, 0)
    assert not outbox.expects_feedback(7, 0)


def test_a_camera_that_has_not_changed_needs_no_new_snapshot(outbox: Outbox) -> None:
    outbox.add(0, 11, "south", [])
    assert texts(outbox.take(5.0, snapshot)) == ["south@12"]


def test_nothing_is_due_while_nothing_was_worked_on(outbox: Outbox) -> None:
    assert outbox.take(1.0, snapshot) is None
    assert outbox.take(100.0, snapshot) is None
    assert outbox.take(100.0, snapshot, final=True) is None


def test_progress_without_outputs_waits_for_the_snapshots(outbox: Outbox) -> None:
    outbox.add(0, 11, None, [])
    assert outbox.take(1.0, snapshot) is None
    assert outbox.take(5.0, snapshot) == Batch([], {0: 12})


def test_the_last_batch_carries_snapshots_whatever_the_time(outbox: Outbox) -> None:
    outbox.add(0, 11, "north", [out("b")])
    assert texts(outbox.take(1.0, snapshot, final=True)) == ["b", "north@12"]


def test_every_owned_partition_is_in_every_batch_it_is_the_fence(outbox: Outbox) -> None:
    outbox.own(1, start=5, published_to=-1)
    outbox.own(2, start=7, published_to=-1)
    outbox.add(1, 5, "south", [out("x", 1)])
    batch = outbox.take(1.0, snapshot)
    assert batch is not None
    assert batch.offsets == {0: 11, 1: 6, 2: 7}


def test_what_an_earlier_owner_published_is_computed_and_not_sent_again() -> None:
    outbox = Outbox(A_WHILE_S)
    outbox.own(0, start=10, published_to=11)
    assert [outbox.add(0, n, "north", [out(f"{n}")]) for n in (10, 11, 12)] == [0, 0, 1]
    assert texts(outbox.take(0.0, snapshot)) == ["12", "north@13"]


def test_input_is_worked_on_once_and_in_order(outbox: Outbox) -> None:
    assert not outbox.expects(0, 10)
    assert outbox.expects(0, 11)
    assert not outbox.expects(1, 0)
    with pytest.raises(ValueError, match="offset 10 was worked on before, 11 is next"):
        outbox.add(0, 10, "north", [])


def test_a_gap_in_the_offsets_is_noticed(outbox: Outbox) -> None:
    assert outbox.skipped(0, 11) is None
    assert outbox.skipped(0, 15) == 11
    assert outbox.skipped(1, 15) is None


def test_a_partition_that_is_given_up_takes_its_outputs_with_it(outbox: Outbox) -> None:
    outbox.own(1, start=0, published_to=-1)
    outbox.add(0, 11, "north", [out("b")])
    outbox.add(1, 0, "south", [out("x", 1)])
    assert outbox.waiting() == 2
    outbox.disown(0)
    outbox.disown(7)
    assert outbox.partitions == {1}
    batch = outbox.take(0.0, snapshot)
    assert texts(batch) == ["x", "south@1"]
    assert batch is not None
    assert batch.offsets == {1: 1}
    outbox.disown_all()
    assert (outbox.partitions, outbox.waiting()) == (set(), 0)
