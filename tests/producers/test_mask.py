from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from producers.mask import paint_masks
from producers.sources.base import Image


def white(width: int = 100, height: int = 50) -> Image:
    return np.full((height, width, 3), 255, dtype=np.uint8)


def test_inside_is_black_and_outside_is_untouched() -> None:
    image = white()
    paint_masks(image, [((0.2, 0.2), (0.6, 0.2), (0.6, 0.8), (0.2, 0.8))])
    assert image[10:40, 20:60].max() == 0
    assert image[:7].min() == image[44:].min() == image[:, :17].min() == image[:, 64:].min() == 255


def test_a_polygon_to_the_frames_edges_leaves_no_pixel() -> None:
    image = white()
    paint_masks(image, [((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))])
    assert image.max() == 0


def test_overlapping_polygons_leave_no_hole_where_they_meet() -> None:
    image = white()
    square = ((0.2, 0.2), (0.6, 0.2), (0.6, 0.8), (0.2, 0.8))
    paint_masks(image, [square, square])
    assert image[10:40, 20:60].max() == 0


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=3),
    st.integers(1, 80),
    st.integers(1, 80),
)
def test_every_pixel_with_its_centre_inside_a_triangle_is_painted(
    triangle: list[tuple[float, float]], width: int, height: int
) -> None:
    image = white(width, height)
    paint_masks(image, [tuple(triangle)])
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    sides = []
    for (ax, ay), (bx, by) in zip(triangle, triangle[1:] + triangle[:1], strict=True):
        sides.append((bx - ax) * (y - ay) - (by - ay) * (x - ax))
    inside = np.all([side > 1e-9 for side in sides], 0) | np.all([s < -1e-9 for s in sides], 0)
    assert image[inside].max(initial=0) == 0


def test_a_blur_covers_the_same_pixels_and_leaves_the_others() -> None:
    square = ((0.2, 0.2), (0.6, 0.2), (0.6, 0.8), (0.2, 0.8))
    noise = np.random.default_rng(1).integers(0, 256, (96, 160, 3), dtype=np.uint8)
    black, blurred = noise.copy(), noise.copy()
    paint_masks(black, [square])
    paint_masks(blurred, [square], "blur")
    covered = (black == 0).all(axis=2)
    assert np.array_equal(blurred[~covered], noise[~covered])
    # Of noise with a deviation of 74 little is left once cells of 6 x 6 are averaged.
    assert blurred[covered].std() < 20


def test_a_blur_keeps_nothing_that_is_smaller_than_its_cells() -> None:
    """Two frames that differ in a detail alone can't be told apart."""
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    plain = np.full((480, 640, 3), 120, dtype=np.uint8)
    detailed = plain.copy()
    detailed[100:120:2, 200:220] = 125
    detailed[101:120:2, 200:220] = 115
    paint_masks(plain, [whole], "blur")
    paint_masks(detailed, [whole], "blur")
    assert np.abs(plain.astype(int) - detailed).max() <= 1
