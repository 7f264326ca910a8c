"""The parts of the judgement that need no server."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from onehertz.verify.facts import NO_BOXES, Result, Said, digest
from onehertz.verify.findings import Findings
from onehertz.verify.order import Order
from onehertz.verify.ranking import winner
from onehertz.verify.report import Report
from schemas.messages import ResultRecord, to_us
from sinks.sql.ranking import Delivery, best_of
from tests.onehertz.verify.story import NORTH, at
from tests.sinks.sql import ticks


def result(status: str, offset: int) -> Result:
    said = Said(status, None, None, None, None, None, "", "r", 0, 0, 0, 0, 0, NO_BOXES)
    return Result((NORTH, 0), offset, said)


def test_the_best_status_wins_and_among_equals_the_first() -> None:
    missing, late = result("missing", 1), result("inferred", 9)
    assert winner([missing, late, result("rejected", 2), result("inferred", 12)]) is late
    assert winner([result("unchanged", 5), missing]).said.status == "unchanged"


@given(st.permutations(["missing", "rejected", "unchanged", "inferred", "inferred", "missing"]))
def test_the_sink_ranks_as_verify_does(statuses: list[str]) -> None:
    make: dict[str, Callable[[], ResultRecord]] = {
        "missing": ticks.missing,
        "rejected": ticks.rejected,
        "inferred": ticks.inferred,
        "unchanged": lambda: ticks.unchanged(0, -1),
    }
    deliveries = [Delivery(make[status](), 0, n) for n, status in enumerate(statuses)]
    (best,) = best_of(deliveries).values()
    assert winner(result(s, n) for n, s in enumerate(statuses)).offset == best.offset


def test_boxes_are_compared_as_32_bits_hold_them() -> None:
    box = ("person", 0.7, 0.1, 0.2, 0.3, 0.4)
    assert digest([box]) == digest([("person", 0.699999988079071, 0.1, 0.2, 0.3, 0.4)])
    assert digest([box]) != digest([("person", 0.7, 0.1, 0.2, 0.3, 0.400001)])
    assert digest([box]) != digest([("persons", *box[1:])])
    assert digest([box]) != digest([box, box])


def test_capture_times_rise_only_among_ticks_in_turn() -> None:
    order = Order()
    assert order.take((NORTH, to_us(at(5))), 0, in_turn=True) is None
    assert order.take((NORTH, to_us(at(3))), 1, in_turn=False) is None
    assert order.take((NORTH, to_us(at(6))), 2, in_turn=True) is None
    assert "0.500 s" in str(order.take((NORTH, to_us(at(5.5))), 3, in_turn=True))
    assert "ahead of 3" in str(order.take((NORTH, to_us(at(7))), 2, in_turn=True))


def test_another_cameras_order_is_its_own() -> None:
    order = Order()
    assert order.take((NORTH, 5), 5, in_turn=True) is None
    assert order.take(("south", 3), 6, in_turn=True) is None
    assert (order.last_origin(NORTH), order.last_origin("none")) == (5, -1)


def test_every_kind_of_finding_is_shown_and_all_are_counted() -> None:
    findings = Findings()
    for number in range(1_000):
        findings.add("unexplained", str(number), "there")
    findings.add("lost", "a gap", "there", 40)
    assert [one.kind for one in findings.first(3)] == ["lost", "unexplained", "unexplained"]
    assert findings.counts["unexplained"] == 1_000
    assert findings.counts["lost"] == 40


def test_what_is_in_flight_is_not_ok() -> None:
    assert Report().ok
    assert not Report(in_flight=1).ok
