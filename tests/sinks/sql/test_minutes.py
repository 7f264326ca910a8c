from __future__ import annotations

from schemas.messages import to_us
from sinks.sql.minutes import changes, minute_of
from sinks.sql.ranking import Delivery, Held, Verdict
from tests.sinks.sql.ticks import T0, inferred, missing

MINUTE = ("north", to_us(T0))


def test_the_last_microsecond_of_a_minute_belongs_to_it() -> None:
    assert minute_of(59_999_999) == 0
    assert minute_of(60_000_000) == 60_000_000
    assert minute_of(-1) == -60_000_000


def test_a_new_row_adds_its_tick_and_its_objects() -> None:
    new = Delivery(inferred(3, "person", "person", "car"), 0, 0)
    found = changes(Verdict({new.key: new}, {}, 0), {})
    assert list(found) == [MINUTE]
    assert found[MINUTE].ticks == {"inferred": 1}
    assert found[MINUTE].nonzero_objects() == {"person": 2, "car": 1}


def test_a_replacing_row_takes_the_old_ones_part_away() -> None:
    new = Delivery(inferred(3, "person", "car"), 0, 0)
    old = Held("inferred", 1, 0, "ssd")
    found = changes(Verdict({}, {new.key: (old, new)}, 0), {new.key: ["person", "dog"]})
    assert found[MINUTE].ticks == {"inferred": 0}
    assert found[MINUTE].nonzero_objects() == {"car": 1, "dog": -1}


def test_what_changes_nothing_touches_no_minute() -> None:
    assert changes(Verdict({}, {}, 5), {}) == {}


def test_ticks_without_boxes_add_no_objects() -> None:
    new = Delivery(missing(3), 0, 0)
    assert changes(Verdict({new.key: new}, {}, 0), {})[MINUTE].nonzero_objects() == {}
