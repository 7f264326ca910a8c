"""Any deliveries, in any batches, in any order, with any repeats: the same tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.messages import (
    Box,
    Inferred,
    Missing,
    Rejected,
    ResultRecord,
    Unchanged,
    frame_id,
    to_us,
)
from sinks.sql.ranking import Delivery
from sinks.sql.writer import Writer
from tests.sinks.sql.reference import actual, expected, minutes
from tests.sinks.sql.ticks import T0

pytestmark = pytest.mark.stack

PARTITIONS = {"north": 0, "south": 1}
# Within a minute, across its end, across the end of a week (Monday the 16th), a month ago, and off
# the full second.
MOMENTS = [
    *(T0 + timedelta(seconds=second) for second in (0, 1, 2.5, 58, 59.999999, 60, 61, 140)),
    *(T0 - timedelta(days=4, hours=12, seconds=second) for second in (-1, 0, 1)),
    T0 - timedelta(days=31),
]

# Eighths, which a 32-bit float holds exactly.
lower = st.integers(0, 4).map(lambda n: n / 8)
upper = st.integers(4, 8).map(lambda n: n / 8)
boxes = st.builds(
    Box,
    label=st.sampled_from(["person", "car", 'a "label"']),
    score=lower,
    x1=lower,
    y1=lower,
    x2=upper,
    y2=upper,
)


@st.composite
def records(draw: st.DrawFn, ticks: list[tuple[str, datetime]]) -> ResultRecord:
    camera, captured_at = draw(st.sampled_from(ticks))
    took_us = draw(st.integers(0, 5_000_000))
    stages = {"gate": (to_us(T0) + took_us, to_us(T0) + took_us + draw(st.integers(0, 3_000_000)))}
    tick: dict[str, Any] = {
        "camera": camera,
        "captured_at": captured_at,
        "run": draw(st.sampled_from(["one", "two"])),
        "seq": draw(st.integers(0, 9)),
        "raw_offset": draw(st.none() | st.integers(0, 9)),
        "stages": draw(st.sampled_from([{}, stages])),
    }
    kind = draw(st.sampled_from([Inferred, Inferred, Unchanged, Rejected, Missing]))
    if kind is Inferred:
        return Inferred(
            **tick,
            model=draw(st.sampled_from(["ssd", "yolox"])),
            boxes=tuple(draw(st.lists(boxes, max_size=3))),
            because="changed",
        )
    if kind is Unchanged:
        return Unchanged(**tick, same_as=frame_id(camera, to_us(draw(st.sampled_from(MOMENTS)))))
    if kind is Rejected:
        return Rejected(**tick, reason="late", detail=draw(st.sampled_from(["", "why"])))
    return Missing(**tick, reason="stalled")


@st.composite
def histories(draw: st.DrawFn) -> list[list[Delivery]]:
    """Batches that deliver each of some records at least once."""
    # Few ticks, so that deliveries meet.
    tick = st.tuples(st.sampled_from(sorted(PARTITIONS)), st.sampled_from(MOMENTS))
    ticks = draw(st.lists(tick, min_size=1, max_size=4, unique=True))
    topic = [
        Delivery(record, PARTITIONS[record.camera], offset)
        for offset, record in enumerate(draw(st.lists(records(ticks), min_size=1, max_size=14)))
    ]
    repeats = draw(st.lists(st.sampled_from(topic), max_size=8))
    order = draw(st.permutations(topic + repeats))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=5)) | {len(order)})
    starts = [0, *cuts[:-1]]
    return [list(order[a:b]) for a, b in zip(starts, cuts, strict=True)]


@settings(
    max_examples=60,
    # One database for all examples on purpose: each begins by emptying it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=histories())
def test_the_tables_depend_on_what_was_delivered_and_on_nothing_else(
    connection: psycopg.Connection, batches: list[list[Delivery]]
) -> None:
    for table in ("frames", "detections", "camera_minutes", "cameras"):
        connection.execute(f"DELETE FROM {table}".encode())  # noqa: S608
    writer = Writer(connection)
    so_far: list[Delivery] = []
    for batch in batches:
        outcome = writer.write(batch)
        so_far += batch
        tables = actual(connection)
        assert tables == expected(so_far)
        assert tables["camera_minutes"] == minutes(tables["frames"], tables["detections"])
        assert sum(outcome) == len(batch)
    for batch in batches:
        assert writer.write(batch).repeated == len(batch)
    assert actual(connection) == tables
