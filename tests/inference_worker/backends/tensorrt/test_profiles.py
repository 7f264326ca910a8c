"""Which batch sizes engines are built for, and how work comes apart: pure functions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.backends.base import Pictures
from inference_worker.backends.tensorrt.profiles import Profile, fitted, profile_for
from inference_worker.backends.tensorrt.work import Work, joined, parts
from vision.boxes import stretched


@given(st.integers(1, 1024))
def test_every_size_has_one_profile_and_none_is_above(max_batch: int) -> None:
    profiles = fitted(max_batch)
    covered = [size for one in profiles for size in range(one.least, one.most + 1)]
    assert covered == list(range(1, max_batch + 1))
    assert all(one.least <= one.best <= one.most for one in profiles)
    for size in (1, max_batch // 2 or 1, max_batch):
        chosen = profiles[profile_for(size, profiles)]
        assert chosen.least <= size <= chosen.most


@given(st.integers(1, 1024))
def test_full_batches_have_kernels_of_their_own_and_small_ones_nearly(max_batch: int) -> None:
    profiles = fitted(max_batch)
    assert profiles[-1].best == max_batch
    few = profiles[0]
    assert few.best <= max(3, max_batch // 4)


def test_the_worker_s_default_has_a_profile_for_few_and_one_for_many() -> None:
    assert fitted(8) == (Profile(1, 2, 2), Profile(3, 8, 8))
    assert [str(one) for one in fitted(8)] == ["1 to 2", "3 to 8"]


def test_there_are_two_profiles_from_batches_of_four_on() -> None:
    assert fitted(3) == (Profile(1, 3, 3),)
    assert fitted(4) == (Profile(1, 1, 1), Profile(2, 4, 4))


@given(st.lists(st.integers(1, 100), max_size=12), st.integers(1, 150))
def test_parts_hold_everything_once_in_order_and_fit(sizes: list[int], capacity: int) -> None:
    found = list(parts(sizes, capacity))
    assert [at for start, stop, _ in found for at in range(start, stop)] == list(range(len(sizes)))
    for start, stop, fits in found:
        assert fits == (sum(sizes[start:stop]) <= capacity)
        assert fits or stop - start == 1
    for (start, stop, _), (_, next_stop, _) in pairwise(found):
        assert next_stop > stop
        assert sum(sizes[start : stop + 1]) > capacity  # as long as can be


def test_work_comes_apart_by_images_with_all_that_belongs_to_them() -> None:
    images = [np.full((2, 2, 3), number, dtype=np.uint8) for number in range(3)]
    pictures = Pictures(images, [stretched(number, 1) for number in range(3)])
    part = Work({"size": np.arange(3)}, pictures).part(1, 3)
    assert part.count == 2
    assert part.inputs["size"].tolist() == [1, 2]
    assert part.pictures is not None
    assert [image[0, 0, 0] for image in part.pictures.images] == [1, 2]
    assert [place.width for place in part.pictures.placements] == [1, 2]


def test_outputs_of_parts_are_joined_in_order() -> None:
    found = [{"y": np.array([1.0, 2.0], np.float32)}, {"y": np.array([3.0], np.float32)}]
    assert joined(found)["y"].tolist() == [1, 2, 3]
