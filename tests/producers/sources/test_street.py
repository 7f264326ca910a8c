from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.sources.street import StreetSource, TrueBox
from producers.sources.street_scenery import daylight
from producers.sources.street_traffic import visitors_at

DAY_US = 86_400_000_000
SOFT_EDGE_PX = 2.1  # OpenCV smooths an outline by so much to either side


def plain(seed: int, activity: float, width: int = 640, height: int = 480) -> StreetSource:
    """A street without what changes from frame to frame by itself."""
    return StreetSource(
        seed=seed, width=width, height=height, activity=activity, noise=0.0, clock=False
    )


def ticks_with(source: StreetSource, visitors: int, ticks: range) -> list[tuple[int, TrueBox]]:
    found = [(tick, source.truth(tick)) for tick in ticks]
    return [(tick, boxes[0]) for tick, boxes in found if len(boxes) == visitors]


@pytest.mark.parametrize("size", [(640, 480), (320, 240), (1280, 300)])
def test_the_truth_is_where_the_picture_differs_from_the_empty_street(
    size: tuple[int, int],
) -> None:
    width, height = size
    busy, empty = plain(4, 0.5, *size), plain(4, 0.0, *size)
    background = empty.render(0).astype(np.int16)
    checked = ticks_with(busy, 1, range(0, 600, 3))
    assert {box.label for _, box in checked} == {"person", "car"}
    for tick, box in checked:
        if not alone(busy, tick):
            continue
        rows, columns = np.nonzero(np.abs(busy.render(tick) - background).max(axis=2) > 8)
        assert columns.min() == pytest.approx(box.x1 * width, abs=SOFT_EDGE_PX)
        assert columns.max() + 1 == pytest.approx(box.x2 * width, abs=SOFT_EDGE_PX)
        assert rows.min() == pytest.approx(box.y1 * height, abs=SOFT_EDGE_PX)
        assert rows.max() + 1 == pytest.approx(box.y2 * height, abs=SOFT_EDGE_PX)


def alone(source: StreetSource, tick: int) -> bool:
    """Nobody else is there, not even with so small a part that the truth leaves it out."""
    return len(source._bodies(tick)) == 1


def test_nothing_but_light_changes_where_the_truth_is_empty() -> None:
    busy, empty = plain(4, 0.5), plain(4, 0.0)
    quiet = [tick for tick in range(0, 600, 7) if not busy._bodies(tick)]
    assert len(quiet) > 10
    for tick in quiet:
        assert np.array_equal(busy.render(tick), empty.render(tick))


def test_people_come_and_there_are_long_stretches_without_anybody() -> None:
    source = StreetSource(seed=1)
    present = [bool(source.truth(tick)) for tick in range(3600)]
    assert 0.05 < sum(present) / len(present) < 0.5
    longest = max(map(len, "".join("x" if there else " " for there in present).split("x")))
    assert longest > 180


def test_somebody_who_walks_moves_steadily_through_the_picture() -> None:
    source = StreetSource(seed=4, every_us=100_000, activity=0.5)
    singles = ticks_with(source, 1, range(6000))
    steps = [
        abs(after.x1 - before.x1)
        for (tick, before), (following, after) in pairwise(singles)
        if following == tick + 1 and before.label == after.label == "person"
    ]
    assert len(steps) > 100
    assert max(steps) < 0.06


def test_nobody_appears_or_vanishes_in_the_middle_of_the_street() -> None:
    step_us = 100_000
    for now_us in range(0, 1_800_000_000, step_us):
        before, after = (visitors_at(4, 0.5, at_us) for at_us in (now_us, now_us + step_us))
        for visitor in set(before) ^ set(after):
            progress = visitor.progress(now_us if visitor in before else now_us + step_us)
            assert progress < 0.03 or progress > 0.97


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    tick=st.integers(0, 10**7),
    width=st.integers(16, 200),
    height=st.integers(16, 200),
)
def test_a_frame_depends_on_seed_and_number_alone_at_any_size(
    seed: int, tick: int, width: int, height: int
) -> None:
    def build() -> StreetSource:
        return StreetSource(seed=seed, width=width, height=height, activity=1.0)

    used = build()
    for other in (0, tick + 1, tick // 2):
        used.render(other)
    frame = used.render(tick)
    assert frame.shape == (height, width, 3)
    assert np.array_equal(frame, build().render(tick))
    for box in used.truth(tick):
        assert box.label in ("person", "car")
        assert 0.0 <= box.x1 < box.x2 <= 1.0
        assert 0.0 <= box.y1 < box.y2 <= 1.0


def test_another_seed_is_another_street() -> None:
    assert not np.array_equal(plain(1, 0.0).render(0), plain(2, 0.0).render(0))


def test_noise_is_another_one_in_each_frame_and_of_the_strength_asked_for() -> None:
    noisy = StreetSource(seed=1, activity=0.0, clock=False, noise=4.0)
    background = plain(1, 0.0).render(0).astype(np.int16)
    first, second = (noisy.render(tick).astype(np.int16) for tick in (0, 1))
    assert float((first - background).std()) == pytest.approx(4.0, rel=0.05)
    assert float((second - first).std()) == pytest.approx(4.0 * 2**0.5, rel=0.1)


def test_the_clock_changes_every_second_and_only_in_its_corner() -> None:
    source = StreetSource(seed=1, activity=0.0, noise=0.0)
    rows, columns = np.nonzero((source.render(1) != source.render(2)).any(axis=2))
    assert 0 < rows.max() < 40
    assert columns.max() < 320


def test_night_is_dark_and_day_is_bright_and_dusk_lies_between() -> None:
    source = StreetSource(seed=1, activity=0.0, day_us=24_000_000, noise=0.0)
    noon, dusk, midnight = (source.render(hour).mean() for hour in (0, 6, 12))
    assert noon > 1.3 * dusk
    assert dusk > 2 * midnight
    assert daylight(0, DAY_US) == daylight(DAY_US, DAY_US) == 1.0
    assert daylight(DAY_US // 2, DAY_US) == 0.0
