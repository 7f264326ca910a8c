"""What frames and cameras cost: worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehertz.cost.arithmetic import (
    Use,
    cameras,
    dollars_per_camera,
    dollars_per_million,
    joules_per_image,
)

rates = st.floats(0.1, 1e5)
shares = st.floats(0.01, 1)


def test_a_machine_at_full_use_for_an_hour_costs_its_price():
    # 100 images/s are 360,000 an hour; $0.36 an hour make a dollar per million.
    assert dollars_per_million(0.36, 100, Use(utilisation=1)) == pytest.approx(1.0)


def test_an_engine_that_stands_idle_half_the_time_costs_twice_as_much():
    assert dollars_per_million(0.36, 100, Use(utilisation=0.5)) == pytest.approx(2.0)


def test_an_engine_carries_a_camera_for_each_image_a_second_that_it_is_used_for():
    assert cameras(100, Use(utilisation=1)) == 100
    assert cameras(100, Use(utilisation=0.7)) == 70  # though .7 * 100 is 70 but for a last bit
    assert cameras(99.9, Use(utilisation=1)) == 99


def test_a_gate_that_drops_three_frames_of_four_lets_four_times_the_cameras_in():
    assert cameras(100, Use(utilisation=1, dropped=0.75)) == 400


def test_a_camera_of_a_full_machine_costs_its_share_of_a_month():
    assert dollars_per_camera(1.0, 73) == pytest.approx(10.0)  # of 730 hours
    assert dollars_per_camera(1.0, 0) is None


def test_energy_is_by_the_image():
    assert joules_per_image(600, 1200) == 0.5
    assert joules_per_image(2, 1) == 2
    with pytest.raises(ValueError, match="no image"):
        joules_per_image(1, 0)


@pytest.mark.parametrize("utilisation", [0, -0.1, 1.01, float("nan")])
def test_a_use_that_cannot_be_is_refused(utilisation: float):
    with pytest.raises(ValueError, match="utilisation"):
        Use(utilisation=utilisation)


@pytest.mark.parametrize("dropped", [1, -0.1, float("nan")])
def test_a_gate_that_drops_everything_is_refused(dropped: float):
    with pytest.raises(ValueError, match="dropped"):
        Use(dropped=dropped)


def test_no_speed_has_no_price():
    with pytest.raises(ValueError, match="0 images/s"):
        dollars_per_million(1, 0, Use())


@given(rate=rates, hour=st.floats(0.01, 100), utilisation=shares)
def test_what_all_frames_of_an_hour_cost_is_the_hours_price(
    rate: float, hour: float, utilisation: float
):
    frames = rate * utilisation * 3600
    assert dollars_per_million(hour, rate, Use(utilisation)) * frames / 1e6 == pytest.approx(hour)


@given(rate=rates, utilisation=shares, dropped=st.floats(0, 0.99))
def test_the_cameras_carried_never_ask_for_more_than_the_engine_gives(
    rate: float, utilisation: float, dropped: float
):
    carried = cameras(rate, Use(utilisation, dropped))
    assert carried * (1 - dropped) <= rate * utilisation + 1e-6
    assert (carried + 1) * (1 - dropped) > rate * utilisation - 1e-6
