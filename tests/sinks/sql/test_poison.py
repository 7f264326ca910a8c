from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from sinks.sql.poison import salvage
from sinks.sql.writer import Delivery, Writer
from tests.sinks.sql.reference import actual, expected
from tests.sinks.sql.ticks import delivered, inferred, missing

pytestmark = pytest.mark.stack


def test_a_batch_without_poison_is_written_at_once(writer: Writer) -> None:
    outcome, poison = salvage(writer.write, delivered([missing(0), missing(1)]))
    assert outcome == (2, 0, 0)
    assert poison == []


def test_poison_is_told_with_its_reason_and_the_rest_is_written(
    connection: psycopg.Connection, writer: Writer
) -> None:
    batch = delivered([inferred(second, "person") for second in range(21)])
    out_of_time = Delivery(missing(captured_at=datetime(1999, 1, 1, tzinfo=UTC)), 0, 90)
    # What no decoder would let through, and PostgreSQL refuses only when it gets it.
    too_large = Delivery(missing(77, seq=2**63), 0, 91)
    outcome, poison = salvage(writer.write, [*batch[:5], out_of_time, *batch[5:], too_large])
    assert outcome.inserted == 21
    assert [(delivery.offset, error.reason) for delivery, error in poison] == [
        (90, "capture-time"),
        (91, "refused-by-database"),
    ]
    assert actual(connection) == expected(batch)


def test_a_poisonous_record_does_not_hide_another_delivery_of_its_tick(
    connection: psycopg.Connection, writer: Writer
) -> None:
    good = Delivery(missing(0), 0, 1)
    bad = Delivery(inferred(0, seq=2**63), 0, 2)
    _, poison = salvage(writer.write, [bad, good])
    assert [delivery for delivery, _ in poison] == [bad]
    assert actual(connection) == expected([good])


def test_a_database_that_went_away_is_no_poison(
    connection: psycopg.Connection, writer: Writer
) -> None:
    connection.close()
    with pytest.raises(psycopg.OperationalError):
        salvage(writer.write, delivered([missing(0), missing(1)]))
