"""Where a new owner goes on: decided from what was left behind."""

from __future__ import annotations

import pytest

from runtime.recovery import Expired, Left, Taken, feedback_start, taken_over
from schemas.messages import Snapshot

NOW, BEFORE = "topic-id-now", "topic-id-before"


def snapshot(offset: int, topic_id: str = NOW, camera: str = "north") -> Snapshot:
    return Snapshot(
        camera=camera,
        stage="gate",
        topic="frames-raw",
        topic_id=topic_id,
        partition=0,
        offset=offset,
        state=b"%d" % offset,
    )


def left(
    *snapshots: Snapshot, low: int = 0, high: int = 100, committed: int | None = None, out: int = -1
) -> Left:
    return Left(low, high, committed, {one.camera: one for one in snapshots}, out)


def test_the_first_start_is_at_the_beginning() -> None:
    assert taken_over(left(low=7), NOW) == Taken(7)


def test_a_new_owner_goes_on_where_the_snapshots_and_the_offset_are() -> None:
    found = taken_over(left(snapshot(40), snapshot(30, camera="south"), committed=40, out=44), NOW)
    assert found == Taken(40, 44, {"north": b"40", "south": b"30"})


def test_an_offset_may_have_gone_on_without_any_camera() -> None:
    assert taken_over(left(snapshot(40), committed=50), NOW).start == 50


def test_offsets_that_kafka_forgot_are_known_from_the_snapshots() -> None:
    found = taken_over(left(snapshot(40), out=42), NOW)
    assert found == Taken(40, 42, {"north": b"40"})


@pytest.mark.parametrize("committed", [None, 0, 3, 40])
def test_a_topic_that_was_made_anew_is_read_from_its_beginning_without_state(
    committed: int | None,
) -> None:
    found = taken_over(left(snapshot(40, BEFORE), committed=committed, out=44), NOW)
    assert found == Taken(0, made_anew=True)


def test_snapshots_of_the_topic_before_do_not_count_beside_those_of_now() -> None:
    old = snapshot(90, BEFORE, "south")
    found = taken_over(left(snapshot(10), old, committed=10, out=12), NOW)
    assert found == Taken(10, 12, {"north": b"10"})


def test_an_offset_beyond_the_end_means_made_anew() -> None:
    assert taken_over(left(high=5, committed=40), NOW) == Taken(0, made_anew=True)
    assert taken_over(left(snapshot(40), high=5), NOW) == Taken(0, made_anew=True)
    assert taken_over(left(high=40, committed=40), NOW) == Taken(40)


@pytest.mark.parametrize("committed", [None, 20])
def test_the_outputs_end_counts_only_beside_a_snapshot_of_this_very_input(
    committed: int | None,
) -> None:
    # The output may end with what came of another input of the same name: offset 44 of that one.
    found = taken_over(left(committed=committed, out=44), NOW)
    assert found == Taken(committed or 0, published_to=-1)


def test_input_that_expired_unread_is_never_skipped() -> None:
    with pytest.raises(Expired, match=r"^10 records expired"):
        taken_over(left(snapshot(40), low=50, committed=40), NOW)
    with pytest.raises(Expired, match=r"^50 records expired"):
        taken_over(left(low=50, committed=0), NOW)
    assert taken_over(left(snapshot(50), low=50), NOW).start == 50


def test_feedback_goes_on_where_the_state_ends_and_without_an_offset_at_its_end() -> None:
    assert feedback_start(low=0, high=90, committed=40) == 40
    assert feedback_start(low=0, high=90, committed=None) == 90
    assert feedback_start(low=50, high=90, committed=40) == 50
    assert feedback_start(low=0, high=10, committed=40) == 10
