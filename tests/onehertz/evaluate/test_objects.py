"""Objects followed over ticks, and what of them is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onehertz.evaluate.judging import Seen
from onehertz.evaluate.objects import fates, follow, objects
from tests.onehertz.evaluate.made_up import SEEN, box


def seen_on(*boxes: list) -> list:
    return list(enumerate(boxes))


def test_a_walker_whose_boxes_do_not_overlap_is_one_object() -> None:
    walker = [[box(0.1 * at, 0.08)] for at in range(6)]
    (one,) = follow(seen_on(*walker))
    assert one.ticks == [0, 1, 2, 3, 4, 5]


def test_what_jumps_across_the_picture_is_another_object() -> None:
    found = follow(seen_on([box(0.0, 0.1, height=0.2)], [box(0.8, 0.1, height=0.2)]))
    assert [one.ticks for one in found] == [[0], [1]]


def test_an_object_goes_no_further_in_a_tick_than_its_own_length() -> None:
    assert len(follow(seen_on([box(0.0, 0.1, height=0.2)], [box(0.19, 0.1, height=0.2)]))) == 1
    assert len(follow(seen_on([box(0.0, 0.1, height=0.2)], [box(0.25, 0.1, height=0.2)]))) == 2


def test_a_box_that_overlaps_comes_before_one_whose_middle_is_nearer() -> None:
    wide, tall = box(0.1, 0.2), box(0.28, 0.05, y1=0.0, height=0.7)
    one, other = follow(seen_on([wide, tall], [box(0.2, 0.2)]))
    assert (len(one.boxes), len(other.boxes)) == (2, 1)


def test_how_far_is_near_does_not_depend_on_the_frame_being_wide() -> None:
    """0.25 of the width of a frame that is four times as wide as high is five times its height."""
    moves = seen_on([box(0.1, 0.02, height=0.2)], [box(0.35, 0.02, height=0.2)])
    assert len(follow(moves, aspect=0.5)) == 1
    assert len(follow(moves, aspect=4.0)) == 2


def test_two_that_stand_still_are_two_and_keep_their_places() -> None:
    one, other = follow(seen_on(*[[box(0.1), box(0.6)], [box(0.6), box(0.1)]] * 2))
    assert {b.x1 for b in one.boxes} == {0.1}
    assert {b.x1 for b in other.boxes} == {0.6}


def test_a_label_that_changes_within_its_group_is_one_object_under_its_usual_name() -> None:
    labels = ["car", "truck", "car"]
    (one,) = follow(seen_on(*[[box(label=label)] for label in labels]))
    assert (one.group, one.label) == ("vehicle", "car")


def test_an_object_lost_for_two_ticks_is_the_same_and_for_three_another() -> None:
    assert len(follow(seen_on([box()], [], [], [box()]))) == 1
    assert len(follow(seen_on([box()], [], [], [], [box()]))) == 2


def test_an_object_is_caught_late_or_never() -> None:
    seen = Seen("judge", [[], [box()], [box()], [box()], [], [], [], [], [box(0.6)], []])
    numbers = range(10)
    late, never = fates(objects(seen, numbers), numbers, kept={0, 3, 7})
    assert (late.appears, late.delay_ticks) == (True, 2)
    assert (never.appears, never.delay_ticks) == (True, None)


def test_what_is_there_when_judging_begins_does_not_appear() -> None:
    seen = Seen("judge", [[box()], [box()], [box()]])
    (one,) = fates(objects(seen, [1, 2]), [1, 2], kept={1})
    assert (one.appears, one.delay_ticks) == (False, 0)


def test_ground_truth_says_itself_what_is_one_object() -> None:
    boxes = [[box(0.0, 0.05), box(0.9, 0.05)], [box(0.9, 0.05), box(0.0, 0.05)]]
    one, other = objects(Seen("labels", boxes, tracks=[[1, 2], [1, 2]]), [0, 1])
    assert [b.x1 for b in one.boxes] == [0.0, 0.9]
    assert [b.x1 for b in other.boxes] == [0.9, 0.0]


@given(SEEN)
def test_each_box_belongs_to_one_object_and_an_object_is_seen_once_a_tick(seen) -> None:
    found = follow(list(enumerate(seen)))
    assert sum(len(one.boxes) for one in found) == sum(map(len, seen))
    for one in found:
        assert all(a < b for a, b in zip(one.ticks, one.ticks[1:], strict=False))


@given(SEEN, st.sets(st.integers(0, 19)))
def test_keeping_more_shows_no_object_later(seen, kept) -> None:
    numbers = range(len(seen))
    found = objects(Seen("judge", seen), numbers)
    for less, more in zip(
        fates(found, numbers, kept), fates(found, numbers, set(numbers)), strict=True
    ):
        assert more.delay_ticks == 0
        assert less.delay_ticks is None or less.delay_ticks >= 0
