"""Ranges of activations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.quantising.calibration import METHODS, Method, Observed

# Between -1 and 1, evenly, and one value far off.
EVEN = np.linspace(-1, 1, 20_001, dtype=np.float32)


def observed(*values: np.ndarray) -> Observed:
    one = Observed()
    for array in values:
        one.add(np.asarray(array, dtype=np.float32))
    return one


def test_minmax_covers_all_that_was_seen_on_any_picture():
    seen = observed(np.array([-1.0, 2.0]), np.array([[0.5], [7.0]]))
    assert seen.range("minmax", symmetric=False) == (-1.0, 7.0)
    assert seen.range("minmax", symmetric=True) == (-7.0, 7.0)


def test_percentiles_leave_the_furthest_values_out():
    low, high = observed(EVEN).range("percentile", symmetric=False)
    assert low == pytest.approx(-0.9998, abs=1e-3)
    assert high == pytest.approx(0.9998, abs=1e-3)


def test_the_least_error_gives_up_an_outlier_for_finer_steps():
    # 2048 even values and one at 40: steps of 40 / 255 would cost all of them more than the one.
    seen = observed(np.concatenate([np.abs(EVEN[::10]), [40.0]]))
    low, high = seen.range("least-error", symmetric=False)
    assert low == 0.0
    assert high == pytest.approx(40.0)  # 16 squared errors of the outlier outweigh them
    many = observed(*[np.abs(EVEN)] * 400, np.array([8.0]))
    assert many.range("least-error", symmetric=False)[1] < 8.0


def test_an_empty_activation_has_no_range():
    assert observed(np.zeros((0,))).range("least-error", symmetric=False) == (0.0, 0.0)


@given(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=50),
    st.sampled_from(METHODS),
    st.booleans(),
)
def test_every_range_holds_0_and_lies_within_what_was_seen(
    values: list[float], method: Method, symmetric: bool
):
    low, high = observed(np.array(values)).range(method, symmetric=symmetric)
    furthest = max(abs(value) for value in (*values, 0.0))
    assert -furthest * 1.0001 <= low <= 0 <= high <= furthest * 1.0001
    assert not symmetric or low == -high
