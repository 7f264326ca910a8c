"""Tiles: they cover the frame, and what is seen in several of them comes out once."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.detector import Detector
from inference_worker.tile_grid import Grid, grid_of
from inference_worker.tiles import Tile, detect_tiled, merge, plan_tiles, views
from schemas.messages import Box

grids = st.builds(Grid, st.integers(1, 8), st.integers(1, 8))
sides = st.integers(16, 4000)


def box(label: str, score: float, *corners: float) -> Box:
    x1, y1, x2, y2 = corners
    return Box(label=label, score=score, x1=x1, y1=y1, x2=x2, y2=y2)


def within(tile: Tile, corners: tuple[int, int, int, int]) -> tuple[float, ...] | None:
    """What a perfect detector sees in a tile of 320 pixels of a box in pixels of the frame."""
    x1, x2 = (min(max(x, tile.left), tile.right) for x in (corners[0], corners[2]))
    y1, y2 = (min(max(y, tile.top), tile.bottom) for y in (corners[1], corners[3]))
    if x2 <= x1 or y2 <= y1:
        return None
    width, height = tile.right - tile.left, tile.bottom - tile.top
    return (
        (x1 - tile.left) / width, (y1 - tile.top) / height,
        (x2 - tile.left) / width, (y2 - tile.top) / height,
    )  # fmt: skip


def test_a_frame_of_768_by_576_has_six_squares_that_share_a_fifth() -> None:
    assert plan_tiles(768, 576, Grid(2, 3)) == [
        (0, 0, 320, 320), (224, 0, 544, 320), (448, 0, 768, 320),
        (0, 256, 320, 576), (224, 256, 544, 576), (448, 256, 768, 576),
    ]  # fmt: skip


@given(sides, sides, grids)
def test_tiles_cover_the_frame_and_lie_within_it(width: int, height: int, grid: Grid) -> None:
    tiles = plan_tiles(width, height, grid)
    assert len(tiles) == grid.inferences - 1
    for tile in tiles:
        assert 0 <= tile.left < tile.right <= width
        assert 0 <= tile.top < tile.bottom <= height
    across = {tile.right - tile.left for tile in tiles}
    down = {tile.bottom - tile.top for tile in tiles}
    assert len(across) <= 1
    assert len(down) <= 1
    if across and across != {width} and down != {height}:
        assert across == down


@given(st.integers(100, 4000), st.integers(100, 4000), st.integers(2, 8), st.integers(2, 8))
def test_every_place_lies_in_a_tile_and_neighbours_share_a_fifth(
    width: int, height: int, rows: int, columns: int
) -> None:
    tiles = plan_tiles(width, height, Grid(rows, columns))
    for low, high, end in ((0, 2, width), (1, 3, height)):
        edges = sorted({(tile[low], tile[high]) for tile in tiles})
        assert edges[0][0] == 0
        assert edges[-1][1] == end
        side = edges[0][1] - edges[0][0]
        for (_, right), (left, _) in itertools.pairwise(edges):
            assert right - left >= 0.2 * side - 2


@given(
    st.tuples(st.integers(0, 700), st.integers(0, 500)),
    st.tuples(st.integers(8, 60), st.integers(8, 60)),
)
def test_a_small_object_that_every_look_sees_comes_out_once_where_it_is(
    corner: tuple[int, int], size: tuple[int, int]
) -> None:
    x, y = corner
    right, bottom = min(768, x + size[0]), min(576, y + size[1])
    tiles = plan_tiles(768, 576, Grid(2, 3))
    whole = (box("person", 0.5, x / 768, y / 576, right / 768, bottom / 576),)
    parts = []
    for tile in tiles:
        seen = within(tile, (x, y, right, bottom))
        parts.append((box("person", 0.6, *seen),) if seen else ())
    (one,) = merge([whole, *parts], tiles, 768, 576)
    assert (one.x1 * 768, one.y1 * 576) == pytest.approx((x, y), abs=0.02)
    assert (one.x2 * 768, one.y2 * 576) == pytest.approx((right, bottom), abs=0.02)


def test_a_large_object_is_not_doubled_by_the_pieces_that_tiles_see() -> None:
    tiles = plan_tiles(768, 576, Grid(2, 3))
    corners = (100, 60, 700, 560)
    whole = (box("bus", 0.5, 100 / 768, 60 / 576, 700 / 768, 560 / 576),)
    parts = [(box("bus", 0.9, *seen),) if (seen := within(t, corners)) else () for t in tiles]
    assert merge([whole, *parts], tiles, 768, 576) == whole


def test_neighbours_of_one_label_and_one_place_with_two_labels_stay() -> None:
    tiles = plan_tiles(768, 576, Grid(1, 2))
    whole = (box("person", 0.9, 0.1, 0.1, 0.2, 0.5), box("person", 0.8, 0.15, 0.1, 0.25, 0.5))
    here = (box("dog", 0.95, 0.1, 0.1, 0.3, 0.9),)
    assert [b.label for b in merge([whole, here, ()], tiles, 768, 576)] == [
        "dog", "person", "person",
    ]  # fmt: skip


def test_nothing_seen_is_nothing() -> None:
    tiles = plan_tiles(768, 576, Grid(2, 2))
    assert merge([()] * 5, tiles, 768, 576) == ()


def test_the_looks_are_the_picture_and_its_tiles() -> None:
    image = np.arange(48 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(48, 64, 3)
    tiles = plan_tiles(64, 48, Grid(2, 2))
    whole, *parts = views(image, tiles)
    assert whole is image
    for tile, part in zip(tiles, parts, strict=True):
        assert np.array_equal(part, image[tile.top : tile.bottom, tile.left : tile.right])


@pytest.mark.parametrize("text", ["2", "2x", "x3", "0x2", "2x9", "2X3", "2x3x4", " 2x3"])
def test_what_is_no_grid_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected ROWSxCOLUMNS"):
        grid_of(text)


def test_a_grid_costs_its_tiles_and_the_whole() -> None:
    assert [grid_of(text).inferences for text in ("1x1", "1x2", "2x3")] == [1, 3, 7]


def test_tiles_find_people_that_are_too_small_on_the_whole(
    campus: list[np.ndarray], real_detector: Detector
) -> None:
    people = [
        sum(box.label == "person" for boxes in found for box in boxes)
        for found in (
            real_detector.detect(campus[:4]),
            detect_tiled(real_detector, campus[:4], Grid(1, 1)),
            detect_tiled(real_detector, campus[:4], Grid(2, 3)),
        )
    ]
    assert people[0] == people[1]
    assert people[2] > 1.1 * people[0]


def test_of_two_parts_that_overlap_and_nothing_whole_the_better_one_stays():
    # From 30 to 70 of 100 pixels: each tile sees three quarters of it.
    tiles = [Tile(0, 0, 60, 100), Tile(40, 0, 100, 100)]
    left = Box(label="car", score=0.8, x1=0.5, y1=0.4, x2=1.0, y2=0.6)
    right = Box(label="car", score=0.9, x1=0.0, y1=0.4, x2=0.5, y2=0.6)
    (stays,) = merge([(), (left,), (right,)], tiles, 100, 100)
    assert (stays.score, stays.x1, stays.x2) == (0.9, 0.4, 0.7)
