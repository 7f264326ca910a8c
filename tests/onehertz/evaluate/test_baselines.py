"""The usual ways to drop, and the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehertz.evaluate.baselines import (
    EVERY_NTH,
    NAMES,
    ORACLE_F1,
    baselines,
    dhash,
    mean_difference,
    oracle,
    phash,
)
from onehertz.evaluate.judging import Agreement, Seen, course
from tests.onehertz.evaluate.made_up import ELSEWHERE, PERSON, SEEN, luma, ticks


def straight(count: int):
    return course([float(at) for at in range(count)], "none", 1_000_000)


def dropped(choices) -> int:
    return sum(number != same_as for number, same_as in choices)


def test_the_oracle_drops_what_inherits_well_and_keeps_as_often_as_it_has_to() -> None:
    still = Agreement(Seen("judge", [[PERSON]] * 10))
    assert dropped(oracle(still, straight(10), 60)) == 9
    assert dropped(oracle(still, straight(10), 3)) == 6  # every third is refreshed
    moving = Agreement(Seen("judge", [[PERSON if n % 2 else ELSEWHERE] for n in range(10)]))
    assert dropped(oracle(moving, straight(10), 60)) == 0
    assert oracle(Agreement(Seen("judge", [])), straight(0), 60) == []


@given(SEEN, st.integers(1, 20), st.sampled_from(["none", "first", "last"]))
def test_what_the_oracle_drops_agrees_and_is_refreshed(seen, refresh, warm_up) -> None:
    agreement = Agreement(Seen("judge", seen))
    order = course([float(at) for at in range(len(seen))], warm_up, 1_000_000)
    choices = oracle(agreement, order, refresh)
    places = {number: place for place, number in enumerate(order.numbers)}
    assert [number for number, _ in choices] == list(order.judged)
    for number, same_as in choices:
        assert agreement.f1((number, same_as)) >= ORACLE_F1
        assert 0 <= places[number] - places[same_as] < refresh or number == same_as


def test_at_its_lowest_threshold_each_baseline_keeps_all_that_differs() -> None:
    found = list(baselines(ticks(1, 2, 3, 4, 5, 6), straight(6), 60))
    assert list(dict.fromkeys(name for name, _, _ in found)) == list(NAMES)
    for name in NAMES:
        drops = [dropped(choices) for one, _, choices in found if one == name]
        assert drops[0] == 0, name


def test_a_still_scene_is_dropped_by_all_but_the_lower_frame_rate() -> None:
    for name, threshold, choices in baselines(ticks(*[1] * 7), straight(7), 60):
        expected = 7 - -(-7 // threshold) if name == EVERY_NTH else 6
        assert dropped(choices) == expected, (name, threshold)


def test_baselines_refresh_as_the_gate_has_to() -> None:
    for _, _, choices in baselines(ticks(*[1] * 9), straight(9), 4):
        assert all(number - same_as < 4 for number, same_as in choices)


def test_hashes_and_means_are_those_worked_by_hand() -> None:
    brighter_to_the_right = np.tile(np.arange(0, 180, dtype=np.uint8), (80, 1))
    assert dhash(brighter_to_the_right) == 2**64 - 1
    assert dhash(np.fliplr(brighter_to_the_right)) == 0
    assert mean_difference(np.zeros((4, 4), np.uint8), np.full((4, 4), 3, np.uint8)) == 3.0
    assert mean_difference(np.zeros((4, 4), np.uint8), np.zeros((4, 8), np.uint8)) == float("inf")


def test_a_perceptual_hash_stays_in_another_light_and_changes_with_the_scene() -> None:
    scene = np.kron(luma(1)[:8, :8], np.ones((16, 16), np.uint8))
    other = np.kron(luma(2)[:8, :8], np.ones((16, 16), np.uint8))
    brighter = (scene + 20).astype(np.uint8)
    assert (phash(scene) ^ phash(brighter)).bit_count() <= 2
    assert (phash(scene) ^ phash(other)).bit_count() > 12
    assert phash(scene).bit_count() == pytest.approx(32, abs=2)  # about half lie above the median
