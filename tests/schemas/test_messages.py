"""Promises that the structs keep by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import messages as m
from schemas.headers import in_range
from tests.schemas.strategies import quick

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def missing(**more: Any) -> m.Missing:
    fields: dict[str, Any] = {"camera": "a", "captured_at": NOON, "run": "r", "seq": 0}
    return m.Missing(**(fields | {"reason": "stalled"} | more))


@quick
@given(st.integers(-(10**16), 10**17))
def test_microseconds_and_moments_convert_exactly(us: int) -> None:
    assert m.to_us(m.from_us(us)) == us


@quick
@given(st.integers(-(10**16), 10**17))
def test_a_frame_id_gives_back_camera_and_time(us: int) -> None:
    assert m.split_frame_id(m.frame_id("a.b-c_1", us)) == ("a.b-c_1", us)


def test_a_capture_time_of_another_zone_is_the_same_moment_in_utc() -> None:
    delhi = timezone(timedelta(hours=5, minutes=30))
    record = missing(captured_at=datetime(2026, 11, 22, 17, 30, tzinfo=delhi))

    assert record.captured_at == NOON
    assert record.captured_at.tzinfo is UTC
    assert record.frame == missing().frame


def test_a_capture_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        missing(captured_at=datetime(2026, 11, 22))  # noqa: DTZ001 # the point


def test_a_moment_that_utc_can_not_hold_is_refused() -> None:
    west = timezone(timedelta(hours=-14))
    with pytest.raises(ValueError, match="outside of the years 1 to 9999"):
        missing(captured_at=datetime(9999, 12, 31, 23, tzinfo=west))


def test_two_ticks_do_not_share_their_stage_times() -> None:
    first, second = missing(), missing()
    first.stages["gate"] = (1, 2)

    assert second.stages == {}
    assert missing().stages == {}


def test_a_detail_is_cut_rather_than_its_tick_lost() -> None:
    assert missing(detail="x" * 5_000).detail == "x" * 999 + "…"


def test_a_detail_loses_what_can_not_travel() -> None:
    assert missing(detail="clip\udcff\0.mp4").detail == "clip??.mp4"


def test_a_detail_that_can_travel_is_left_alone() -> None:
    assert missing(detail="Köln\n📷" + "ß" * 994).detail == "Köln\n📷" + "ß" * 994


@pytest.mark.parametrize("swapped", [{"x1": 0.5, "x2": 0.4}, {"y1": 0.5, "y2": 0.4}])
def test_a_box_with_swapped_corners_is_refused(swapped: dict[str, float]) -> None:
    corners = {"x1": 0.1, "y1": 0.1, "x2": 0.9, "y2": 0.9} | swapped
    with pytest.raises(ValueError, match="corners are swapped"):
        m.Box(label="x", score=1.0, **corners)


def test_a_row_may_carry_times_since_2000_up_to_a_day_ahead() -> None:
    assert in_range(datetime(2000, 1, 1, tzinfo=UTC), NOON)
    assert in_range(NOON + timedelta(days=1), NOON)
    assert not in_range(datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC), NOON)
    assert not in_range(NOON + timedelta(days=1, microseconds=1), NOON)


def test_the_times_of_an_alert_are_in_utc_whatever_zone_they_came_in() -> None:
    delhi = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2026, 11, 22, 17, 30, tzinfo=delhi)
    alert = m.Cleared(
        id="r/a/1", camera="a", rule="r", at=at, began_at=at, ended_at=at, frame="a@1"
    )

    assert [moment.tzinfo for moment in (alert.at, alert.began_at, alert.ended_at)] == [UTC] * 3
    assert alert.at == alert.began_at == alert.ended_at == NOON
