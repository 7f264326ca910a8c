"""Drop rate against accuracy."""

from __future__ import annotations

from onehertz.evaluate.curves import Tally, best, best_everywhere, tally, together
from onehertz.evaluate.judging import Agreement, Seen
from tests.onehertz.evaluate.made_up import ELSEWHERE, PERSON

ONE = {
    ("rule", 1): Tally(10, 2, 10.0),
    ("rule", 2): Tally(10, 6, 9.6),
    ("rule", 3): Tally(10, 9, 7),
}
OTHER = {
    ("rule", 1): Tally(30, 0, 30),
    ("rule", 2): Tally(30, 3, 27),
    ("rule", 3): Tally(30, 3, 29),
}


def test_a_tally_counts_what_is_dropped_and_how_well_it_agrees() -> None:
    agreement = Agreement(Seen("judge", [[PERSON], [PERSON], [ELSEWHERE]]))
    found = tally([(0, 0), (1, 0), (2, 0)], agreement)
    assert (found.frames, found.dropped, found.f1) == (3, 2, 2 / 3)
    assert Tally().f1 == 1.0


def test_the_best_threshold_drops_most_at_the_accuracy_that_is_asked_for() -> None:
    assert best(ONE, "rule", 0.96) == {"threshold": 2, "dropped": 0.6, "f1": 0.96}
    assert best(ONE, "rule", 0.97) == {"threshold": 1, "dropped": 0.2, "f1": 1.0}
    assert best(ONE, "rule", 1.01) == {"threshold": None, "dropped": None, "f1": None}
    assert best(ONE, "another", 0.5)["dropped"] is None


def test_curves_add_up_tick_by_tick() -> None:
    whole = together([ONE, OTHER])
    assert whole["rule", 2] == Tally(40, 9, 36.6)


def test_one_threshold_for_all_sources_has_to_hold_on_each() -> None:
    # Threshold 2 fails on the one, 3 on the other.
    assert best_everywhere([ONE, OTHER], "rule", 0.95) == {
        "threshold": 1, "dropped": 0.1, "f1": 1.0,
    }  # fmt: skip
    assert best_everywhere([ONE, OTHER], "rule", 0.9)["threshold"] == 2
    assert best_everywhere([ONE, OTHER], "rule", 0.9)["dropped"] == 0.35  # each source counts once
