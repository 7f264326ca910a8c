"""Light, tiles and clusters by themselves."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from vision import tiles


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (1.3, -8.0), (0.7, 20.0)])
def test_what_moved_does_not_count_as_light(gain: float, offset: float) -> None:
    before = np.random.default_rng(1).uniform(40, 120, (34, 60)).astype(np.float32)
    after = (gain * before + offset).astype(np.float32)
    after[5:25, 10:35] = 175  # a bright van over a quarter of the picture
    assert tiles.fit_light(before, after) == pytest.approx((gain, offset), abs=1e-3)


def test_a_scene_without_structure_is_given_an_offset_and_no_gain() -> None:
    before = np.full((34, 60), 50, np.float32)
    after = before + np.random.default_rng(1).normal(3, 0.1, before.shape).astype(np.float32)
    gain, offset = tiles.fit_light(before, after)
    assert gain == 1.0
    assert offset == pytest.approx(3, abs=0.1)


def _cluster_by_trying_all(ratios: tiles.Tiles) -> float:
    """The same by its definition: every three tiles that hang together by their edges."""
    places = list(np.ndindex(ratios.shape))

    def touch(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        return abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1

    best = 0.0
    for three in itertools.combinations(places, 3):
        if sum(touch(a, b) for a, b in itertools.combinations(three, 2)) >= 2:
            best = max(best, min(float(ratios[place]) for place in three))
    return best


@given(
    npst.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 5)),
        elements=st.floats(0, 100, width=32),
    )
)
def test_the_score_is_that_of_the_best_cluster_of_three(ratios: tiles.Tiles) -> None:
    assert tiles.cluster_score(ratios) == _cluster_by_trying_all(ratios)


def test_two_tiles_or_three_that_touch_by_corners_make_no_cluster() -> None:
    ratios = np.zeros((5, 5), np.float32)
    ratios[1, 1] = ratios[2, 2] = ratios[3, 3] = ratios[3, 4] = 50
    assert tiles.cluster_score(ratios) == 0


@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (1, 1), (5, 4)])
def test_padding_repeats_the_edge_up_to_whole_tiles(shape: tuple[int, int]) -> None:
    luma = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    padded = tiles.pad(luma)
    assert padded.shape == tuple(-(-side // 4) * 4 for side in shape)
    assert np.array_equal(padded[: shape[0], : shape[1]], luma)
    assert (padded[-1, : shape[1]] == luma[-1]).all()
    assert not np.shares_memory(padded, luma)
