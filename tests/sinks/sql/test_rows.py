from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from schemas.errors import InvalidMessage
from schemas.messages import ResultRecord, frame_id, to_us
from sinks.sql.ranking import Delivery
from sinks.sql.rows import DETECTION_TYPES, FRAME_TYPES, MODEL, detection_rows, frame_row
from tests.sinks.sql.ticks import T0, inferred, missing, rejected, unchanged


def row(record: ResultRecord) -> tuple[object, ...]:
    return frame_row(Delivery(record, 3, 7))


@pytest.mark.parametrize(
    "record",
    [inferred(0, "person"), unchanged(1, same_as=0), rejected(), missing()],
    ids=lambda r: r.status,
)
def test_every_status_makes_a_row_with_a_value_per_column(record: ResultRecord) -> None:
    assert len(row(record)) == len(FRAME_TYPES)


def test_the_models_place_in_a_row_is_right() -> None:
    assert row(inferred(model="yolox"))[MODEL] == "yolox"


def test_each_box_makes_a_row_numbered_from_zero() -> None:
    found = list(detection_rows(Delivery(inferred(0, "person", "car"), 0, 0)))
    assert [(r[3], r[4]) for r in found] == [(0, "person"), (1, "car")]
    assert {len(r) for r in found} == {len(DETECTION_TYPES)}


def test_only_inferred_ticks_have_boxes() -> None:
    assert list(detection_rows(Delivery(unchanged(1, same_as=0), 0, 0))) == []


@pytest.mark.parametrize("year", [1999, 2100])
def test_a_capture_time_of_another_century_is_refused(year: int) -> None:
    with pytest.raises(InvalidMessage, match="capture-time"):
        row(missing(captured_at=datetime(year, 6, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    "same_as", [frame_id("south", to_us(T0)), "north@999999999999999999", "north@-5"]
)
def test_a_reference_to_another_camera_or_to_no_time_is_refused(same_as: str) -> None:
    with pytest.raises(InvalidMessage, match="reference"):
        row(structs.replace(unchanged(1, same_as=0), same_as=same_as))


def test_latencies_come_from_the_first_taking_and_the_last_giving() -> None:
    us = to_us(T0)
    stages = {"produce": (us, us + 4_000), "gate": (us + 9_000, us + 20_000)}
    entered_at, latency_ms, stage_ms = row(inferred(stages=stages))[-3:]
    assert (entered_at, latency_ms) == (T0, 20)
    assert stage_ms.obj == {"produce": 4, "gate": 11}  # type: ignore[attr-defined]  # Jsonb


def test_stage_times_that_no_clock_can_have_had_cost_no_row() -> None:
    stages = {"gate": (0, 1), "infer": (to_us(T0), 10**17)}
    assert row(inferred(stages=stages))[-3:] == (None, None, None)


def test_stage_times_a_lifetime_apart_fit_their_column() -> None:
    later = to_us(T0 + timedelta(days=365 * 50))
    assert row(inferred(stages={"gate": (to_us(T0), later)}))[-2] == 2**31 - 1
