from __future__ import annotations

import itertools

from schemas.messages import ResultRecord
from sinks.sql.ranking import Delivery, Held, best_of, judge
from tests.sinks.sql.ticks import inferred, missing, rejected, unchanged


def test_inferred_beats_unchanged_beats_rejected_beats_missing() -> None:
    by_rank: list[ResultRecord] = [inferred(), unchanged(0, same_as=-1), rejected(), missing()]
    # The better one comes later, and at the higher offset.
    deliveries = [Delivery(record, 0, 9 - n) for n, record in enumerate(by_rank)]
    for better, worse in itertools.combinations(deliveries, 2):
        assert list(best_of([worse, better]).values()) == [better]


def test_at_equal_rank_the_lowest_offset_wins() -> None:
    first, second = Delivery(inferred(0, "person"), 0, 3), Delivery(inferred(0, "car"), 0, 4)
    assert list(best_of([second, first]).values()) == [first]


def test_ticks_of_different_cameras_or_times_do_not_compete() -> None:
    batch = [Delivery(r, 0, 0) for r in (missing(0), missing(1), missing(0, camera="south"))]
    assert len(best_of(batch)) == 3


def test_a_tick_without_a_row_is_added() -> None:
    delivery = Delivery(missing(), 0, 5)
    verdict = judge({delivery.key: delivery}, {}, deliveries=1)
    assert list(verdict.added.values()) == [delivery]
    assert (verdict.replaced, verdict.repeated) == ({}, 0)


def test_a_repeat_changes_nothing() -> None:
    delivery = Delivery(missing(), 0, 5)
    held = {delivery.key: Held("missing", 5, 0, None)}
    verdict = judge({delivery.key: delivery}, held, deliveries=1)
    assert (verdict.added, verdict.replaced, verdict.repeated) == ({}, {}, 1)


def test_a_row_of_lower_rank_is_replaced() -> None:
    delivery = Delivery(inferred(), 0, 5)
    held = Held("missing", 1, 0, None)
    verdict = judge({delivery.key: delivery}, {delivery.key: held}, deliveries=3)
    assert verdict.replaced == {delivery.key: (held, delivery)}
    assert verdict.repeated == 2
