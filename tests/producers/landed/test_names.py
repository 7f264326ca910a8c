"""Capture times from the names of files."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.landed.names import NameTimes, time_expression, zone_of
from schemas.messages import to_us

BERLIN = ZoneInfo("Europe/Berlin")


def start(
    pattern: str, name: str, zone: str = "UTC", changed: datetime | None = None
) -> str | None:
    """When the file begins, as a text in UTC."""
    times = NameTimes(time_expression(pattern), zone_of(zone))
    found = times.start_us(name, 0 if changed is None else to_us(changed))
    if found is None:
        return None
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found)).isoformat()


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("%Y-%m-%d_%H-%M-%S", "door_2026-03-01_08-15-30.mp4", "2026-03-01T08:15:30+00:00"),
        (
            "%Y%m%d%H%M%S",
            "NVR_ch1_main_20260301081530_20260301081600.mp4",
            "2026-03-01T08:15:30+00:00",
        ),
        ("%Y/%m/%d/%H-%M", "cam7/2026/03/01/08-15.mkv", "2026-03-01T08:15:00+00:00"),
        ("%Y%m%d_*_%H%M%S.%f", "20260301_door_081530.25.ts", "2026-03-01T08:15:30.250000+00:00"),
        ("%Y-%m-%dT%H:%M:%S%z", "2026-03-01T08:15:30+02:00.mp4", "2026-03-01T06:15:30+00:00"),
        ("%Y-%m-%dT%H%M%S%z", "2026-03-01T081530Z.mp4", "2026-03-01T08:15:30+00:00"),
        ("%s", "clip-1767225600.mp4", "2026-01-01T00:00:00+00:00"),
        ("%Y-%m-%d_%H-%M-%S", "thumbs.mp4", None),
        ("%Y-%m-%d_%H-%M-%S", "2026-02-31_08-15-30.mp4", None),
        ("%Y%m%d%H%M", "serial99202603010815307.mp4", None),
    ],
)
def test_a_time_is_found_anywhere_in_a_name(pattern: str, name: str, expected: str | None) -> None:
    assert start(pattern, name) == expected


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001
    st.sampled_from(["%Y-%m-%d_%H-%M-%S", "%d.%m.%Y %H.%M.%S", "%Y%m%dT%H%M%S", "%H%M%S-%Y%m%d"]),
    st.sampled_from(["", "cam-", "7/", "x_"]),
)
def test_what_a_recorder_writes_is_read(moment: datetime, pattern: str, before: str) -> None:
    expected = moment.replace(microsecond=0, tzinfo=UTC).isoformat()
    assert start(pattern, f"{before}{moment.strftime(pattern)}.mp4") == expected


def test_local_times_are_of_the_zone_that_is_set() -> None:
    pattern, name = "%Y-%m-%d_%H-%M", "2026-07-01_08-00.mp4"
    assert start(pattern, name, "Europe/Berlin") == "2026-07-01T06:00:00+00:00"
    assert start(pattern, name, "America/New_York") == "2026-07-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-10-25T00:31:00", "2026-10-25T00:30:00"),  # in the first of the two hours
        ("2026-10-25T01:31:00", "2026-10-25T01:30:00"),  # in the second
        ("2026-11-20T09:00:00", "2026-10-25T00:30:00"),  # copied since: says nothing
    ],
)
def test_in_the_hour_that_is_there_twice_the_time_of_writing_decides(
    written: str, expected: str
) -> None:
    changed = datetime.fromisoformat(written).replace(tzinfo=UTC)
    found = start("%Y-%m-%d_%H-%M", "2026-10-25_02-30.mp4", "Europe/Berlin", changed)
    assert found == f"{expected}+00:00"


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.integers(0, 59 * 60))  # noqa: DTZ001
def test_a_local_time_is_read_as_it_was_meant_if_the_file_was_written_soon_after(
    utc: datetime, length_s: int
) -> None:
    meant = utc.replace(microsecond=0, tzinfo=UTC)
    name = meant.astimezone(BERLIN).strftime("%Y%m%d-%H%M%S.mp4")
    changed = meant + timedelta(seconds=length_s)
    assert start("%Y%m%d-%H%M%S", name, "Europe/Berlin", changed) == meant.isoformat()


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("%Y-%m-%d", "at least %Y %m %d %H %M, or %s"),
        ("%Y%m%d%H%M%Y", "%Y is there twice"),
        ("%Q", "%Q is not known"),
        ("%Y%m%d%H%M%", "% is not known"),
        ("%s-%Y", "stands alone"),
    ],
)
def test_a_pattern_that_can_tell_no_time_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        time_expression(pattern)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone 'Mars/Olympus'"):
        zone_of("Mars/Olympus")
