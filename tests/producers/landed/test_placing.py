"""Where a file begins beside what its camera already has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.landed.placing import left_out_us
from runtime.errors import UserError

NOW_US = 1_767_225_600_000_000


def left_out(start_us: int, last_us: int | None, interval_us: int = 1_000_000) -> int:
    return left_out_us(
        start_us, last_us=last_us, interval_us=interval_us, most_us=2_000_000, now_us=NOW_US
    )


@given(st.integers(-10_000_000, 2_000_000), st.integers(100_000, 10_000_000))
def test_ticks_go_on_behind_the_last_one_and_none_is_left_out_in_vain(
    overlap_us: int, interval_us: int
) -> None:
    last_us = NOW_US - 60_000_000
    start_us = last_us - overlap_us
    out_us = left_out(start_us, last_us, interval_us)
    assert out_us % interval_us == 0
    assert start_us + out_us > last_us
    assert out_us == 0 or start_us + out_us - interval_us <= last_us


def test_the_first_file_of_a_camera_begins_where_it_begins() -> None:
    assert left_out(NOW_US - 1, None) == 0


def test_a_file_that_overlaps_by_more_is_refused_with_both_times() -> None:
    with pytest.raises(
        UserError, match=r"begins at 2025-12-31T23:58:57\S+, and .* up to .*23:59:00"
    ):
        left_out(NOW_US - 63_000_000, NOW_US - 60_000_000)


def test_a_file_from_the_future_is_refused() -> None:
    with pytest.raises(UserError, match="in the future: is its time zone right"):
        left_out(NOW_US + 3_600_000_000, None)


def test_a_file_from_before_2000_is_refused() -> None:
    with pytest.raises(UserError, match=r"1999-12-31T23:59:59\.999999Z: times before 2000"):
        left_out(946_684_799_999_999, None)
