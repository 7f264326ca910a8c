"""Zones against exact arithmetic: corners lie on coarse grids, where floats make no error."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from vision.zones import InvalidZone, Zone

Point = tuple[float, float]

SQUARE = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]


def grid_points(cells: int) -> st.SearchStrategy[Point]:
    ticks = st.integers(0, cells).map(lambda k: k / cells)
    return st.tuples(ticks, ticks)


@st.composite
def outlines(draw: st.DrawFn, cells: int = 64) -> list[Point]:
    """Simple polygons, mostly hollow: points sorted by their angle around a point among them."""
    points = draw(st.lists(grid_points(cells), min_size=3, max_size=9, unique=True))
    x, y = (sum(p[i] for p in points) / len(points) for i in (0, 1))
    points.sort(key=lambda p: math.atan2(p[1] - y, p[0] - x))
    assume(is_simple(points))
    return points


@st.composite
def boxes(draw: st.DrawFn, cells: int = 64) -> tuple[float, float, float, float]:
    (x1, y1), (x2, y2) = draw(grid_points(cells)), draw(grid_points(cells))
    assume(x1 != x2 and y1 != y2)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


# ---------------------------------------------------------------- exact arithmetic, slow and plain


def side(a: Point, b: Point, p: Point) -> Fraction:
    ax, ay, bx, by, px, py = map(Fraction, (*a, *b, *p))
    return (bx - ax) * (py - ay) - (by - ay) * (px - ax)


def is_on(a: Point, b: Point, p: Point) -> bool:
    within = all(min(a[i], b[i]) <= p[i] <= max(a[i], b[i]) for i in (0, 1))
    return within and side(a, b, p) == 0


def meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    if is_on(a, b, c) or is_on(a, b, d) or is_on(c, d, a) or is_on(c, d, b):
        return True
    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def is_simple(points: list[Point]) -> bool:
    n = len(points)
    if len(set(points)) < n:
        return False
    edges = [(points[i], points[(i + 1) % n]) for i in range(n)]
    for i, j in combinations(range(n), 2):
        if (j - i) % n not in (1, n - 1):
            if meet(*edges[i], *edges[j]):
                return False
            continue
        first, second = (edges[i], edges[j]) if j - i == 1 else (edges[j], edges[i])
        if is_on(*first, second[1]) or is_on(*second, first[0]):
            return False
    return True


def winds_around(points: list[Point], p: Point) -> bool:
    """On the outline, or with a winding number that is not zero."""
    winding = 0
    for a, b in zip(points, points[1:] + points[:1], strict=True):
        if is_on(a, b, p):
            return True
        if a[1] <= p[1] < b[1] and side(a, b, p) > 0:
            winding += 1
        if b[1] <= p[1] < a[1] and side(a, b, p) < 0:
            winding -= 1
    return winding != 0


# ---------------------------------------------------------------- which outlines are zones


@given(st.lists(grid_points(4), min_size=3, max_size=7))
@example([(0, 0), (0.5, 0.5), (1, 1)])  # no area
@example([(0, 0), (1, 1), (1, 0), (0, 1)])  # a bow tie
@example([(0, 0), (1, 0), (0.5, 0), (0.5, 1)])  # folds back on its own edge
@example([(0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)])  # touches itself in one point
@example([(0, 0), (0.5, 0), (1, 0), (1, 1)])  # a needless point on a straight edge: fine
def test_exactly_the_simple_polygons_are_zones(points: list[Point]) -> None:
    if is_simple(points):
        assert Zone(points).area > 0
    else:
        with pytest.raises(InvalidZone):
            Zone(points)


@pytest.mark.parametrize(
    ("points", "message", "point"),
    [
        ([(0, 0), (1, 1)], "this one has 2", None),
        ([(0.5, k / 200) for k in range(101)], "3 to 100 points", None),
        ([(0, 0), (1.25, 0.5), (1, 1)], "point 2 (1.25, 0.5) is outside of the picture", 1),
        ([(0, 0), (1, 0), (1, -0.01)], "point 3 (1, -0.01) is outside", 2),
        ([(0, 0), (1, 0), (math.nan, 1)], "point 3 (nan, 1) is outside", 2),
        ([(0, 0), (1, 0, 1), (0, 1)], "point 2 has 3 numbers", 1),
        ([(0, 0), (1, 0), (1, 0), (0, 1)], "point 3 (1, 0) repeats point 2", 2),
        ([(0, 0), (1, 0), (0, 1), (0, 0)], "point 4 (0, 0) repeats point 1: leave it out", 3),
        ([(0.1, 0.1), (0.2, 0.2), (0.3, 0.3)], "on one line", None),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "from point 1 to 2 crosses the edge from point 3", 0),
        (
            [(0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)],
            "point 4 (0.5, 0) lies on the edge from point 1 to 2",
            3,
        ),
    ],
)
def test_the_error_names_the_point(points: list[Point], message: str, point: int | None) -> None:
    with pytest.raises(InvalidZone) as caught:
        Zone(points)
    assert message in str(caught.value)
    assert caught.value.point == point


# ---------------------------------------------------------------- points


@given(outlines(), st.lists(grid_points(64), max_size=20))
def test_points_are_inside_as_exact_arithmetic_says(
    outline: list[Point], points: list[Point]
) -> None:
    expected = [winds_around(outline, p) for p in points]
    assert Zone(outline).contains(np.array(points).reshape(-1, 2)).tolist() == expected


@given(outlines())
def test_corners_and_middles_of_edges_are_inside(outline: list[Point]) -> None:
    corners = np.array(outline)
    middles = (corners + np.roll(corners, -1, axis=0)) / 2
    assert Zone(outline).contains(np.vstack([corners, middles])).all()


@given(outlines(), st.integers(0, 8), st.lists(grid_points(64), min_size=1, max_size=20))
def test_order_and_first_point_of_the_outline_do_not_matter(
    outline: list[Point], start: int, points: list[Point]
) -> None:
    start %= len(outline)
    turned = (outline[start:] + outline[:start])[::-1]
    assert Zone(turned).contains(points).tolist() == Zone(outline).contains(points).tolist()


@given(outlines(), grid_points(64), st.lists(grid_points(64), min_size=1, max_size=20))
def test_zone_and_points_may_move_together(
    outline: list[Point], shift: Point, points: list[Point]
) -> None:
    moved = (np.array(outline) + shift) / 2  # halved, to stay in the picture
    inside = Zone(moved.tolist()).contains((np.array(points) + shift) / 2)
    assert inside.tolist() == Zone(outline).contains(points).tolist()


def test_rounding_does_not_push_a_point_off_the_edge() -> None:
    zone = Zone([(0.1, 0.1), (0.9, 0.3), (0.5, 0.9)])
    corners = zone.points
    shares = np.linspace(0, 1, 101)[:, None]
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        assert zone.contains(start * (1 - shares) + end * shares).all()


# ---------------------------------------------------------------- boxes


def test_the_feet_count_unless_told_otherwise() -> None:
    zone = Zone(SQUARE)
    head_inside = (0.4, 0.5, 0.6, 1.0)
    feet_inside = (0.4, 0.0, 0.6, 0.5)
    assert zone.holds([head_inside, feet_inside]).tolist() == [False, True]
    assert zone.holds([head_inside, feet_inside], "centre").tolist() == [True, True]
    assert zone.holds([head_inside, feet_inside], "overlap", 0.5).tolist() == [True, True]
    assert zone.holds([head_inside, feet_inside], "overlap", 0.51).tolist() == [False, False]


def test_feet_on_the_lower_edge_of_the_picture_are_in_a_zone_that_ends_there() -> None:
    zone = Zone([(0, 0.5), (1, 0.5), (1, 1), (0, 1)])
    assert zone.holds([(0.2, 0.6, 0.4, 1.0)]).tolist() == [True]


@given(boxes())
def test_of_a_box_wholly_inside_everything_counts(box: tuple[float, ...]) -> None:
    zone = Zone([(0, 0), (1, 0), (1, 1), (0, 1)])
    for anchor in ("bottom-centre", "centre"):
        assert zone.holds([box], anchor).all()
    assert zone.holds([box], "overlap", 1.0).all()


@given(boxes(), outlines())
def test_of_a_box_wholly_outside_nothing_counts(
    box: tuple[float, ...], outline: list[Point]
) -> None:
    left = Zone([(x / 4, y) for x, y in outline])
    right = [box[0] / 2 + 0.5, box[1], box[2] / 2 + 0.5, box[3]]
    for anchor in ("bottom-centre", "centre", "overlap"):
        assert not left.holds([right], anchor, 1e-6).any()


@given(boxes(), boxes())
def test_the_overlap_with_a_rectangle_is_their_common_area(
    box: tuple[float, ...], zone: tuple[float, ...]
) -> None:
    x1, y1, x2, y2 = zone
    common_x = max(0.0, min(box[2], x2) - max(box[0], x1))
    common_y = max(0.0, min(box[3], y2) - max(box[1], y1))
    expected = common_x * common_y / ((box[2] - box[0]) * (box[3] - box[1]))
    share = Zone([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]).shares([box])
    assert share == pytest.approx([expected], abs=1e-12)


@given(outlines(), boxes(), st.integers(1, 63), st.sampled_from([0, 1]))
def test_the_parts_of_a_box_overlap_as_much_as_the_box(
    outline: list[Point], box: tuple[float, ...], cut: int, axis: int
) -> None:
    zone = Zone(outline)
    middle = box[axis] + (box[axis + 2] - box[axis]) * cut / 64
    first, second = list(box), list(box)
    first[axis + 2] = second[axis] = middle
    parts = zone.shares([first, second]) @ [cut / 64, 1 - cut / 64]
    assert parts == pytest.approx(zone.shares([box])[0], abs=1e-9)


@given(outlines())
def test_the_whole_picture_overlaps_by_the_area_of_the_zone(outline: list[Point]) -> None:
    assert Zone(outline).shares([(0, 0, 1, 1)]) == pytest.approx([Zone(outline).area])
    assert Zone(outline[::-1]).area == pytest.approx(Zone(outline).area)


def test_a_box_without_area_overlaps_wholly_or_not_at_all() -> None:
    zone = Zone(SQUARE)
    flat = [(0.3, 0.5, 0.6, 0.5), (0.5, 0.9, 0.5, 0.9)]
    assert zone.shares(flat).tolist() == [1.0, 0.0]


def test_no_boxes_give_an_empty_answer() -> None:
    for anchor in ("bottom-centre", "centre", "overlap"):
        assert Zone(SQUARE).holds(np.empty((0, 4)), anchor).shape == (0,)
