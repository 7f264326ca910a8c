"""Numbers of the live table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehertz.demo.watch import percentile
from tests.onehertz.demo.views import BUSY


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([7.0], 0.99, 7.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0),
        ([float(n) for n in range(1, 201)], 0.99, 198.0),
        ([1.0, 2.0], 1.0, 2.0),
        ([1.0, 2.0], 0.0, 1.0),
    ],
)
def test_a_percentile_is_the_nearest_rank(
    values: list[float], share: float, expected: float | None
) -> None:
    assert percentile(values, share) == expected


@given(st.lists(st.integers(0, 50), min_size=1), st.integers(1, 100))
def test_at_least_that_share_does_not_exceed_a_percentile_and_less_is_below_it(
    values: list[int], percent: int
) -> None:
    found = percentile([float(value) for value in values], percent / 100)
    assert found is not None
    assert 100 * sum(value <= found for value in values) >= percent * len(values)
    assert 100 * sum(value < found for value in values) < percent * len(values)


def test_a_view_adds_up_its_cameras() -> None:
    assert BUSY.rows == 720 + 720 + 720
    assert BUSY.detections == 4259 + 1486 + 12 + 1 + 1440
    assert len(BUSY.latencies_ms()) == 121
