"""Zones: polygons in fractions of the picture, and which boxes count as being inside.

x runs to the right and y downwards, both 0..1. A zone is closed: its edges and corners belong to
it, so that a person whose feet are cut off by the picture's lower edge (y2 = 1) still stands in a
zone that ends there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# What of a box must be inside:
#   bottom-centre  the middle of its lower edge: where a standing object touches the ground, so the
#                  right choice for zones drawn on the ground (the default)
#   centre         the middle of the box: for zones on walls, shelves, water, or seen from above
#   overlap        at least a given share of the box's area
Anchor = Literal["bottom-centre", "centre", "overlap"]

MIN_POINTS = 3
MAX_POINTS = 100
# Points closer than this count as touching: 8 millionths of a pixel of an 8K picture, so that only
# rounding (0.1 + 0.2) is bridged, never a distance that somebody drew.
TOUCH = 1e-9


class InvalidZone(ValueError):
    """The points make no zone. `point` is the index (from 0) of the one to look at, if one is."""

    def __init__(self, message: str, point: int | None = None) -> None:
        super().__init__(message)
        self.point = point


class Zone:
    """A simple polygon, in either order of its points, convex or not.

    points: (m, 2), fractions of the picture; the last is joined to the first.
    Raises InvalidZone.
    """

    def __init__(self, points: Sequence[Sequence[float]]) -> None:
        self.points: Floats = _checked(points)
        self._next: Floats = np.roll(self.points, -1, axis=0)

    @property
    def area(self) -> float:
        """Share of the picture that the zone covers, 0..1."""
        return abs(_signed_area(self.points))

    def contains(self, points: ArrayLike) -> Mask:
        """Which of `points` (n, 2) lie inside or on the edge: (n,) bool."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        on_edge = (_distances(points, self.points, self._next) <= TOUCH).any(axis=1)
        mask: Mask = on_edge | self._encloses(points)
        return mask

    def _encloses(self, points: Floats) -> Mask:
        """Even-odd rule: a ray to the right crosses the outline an odd number of times."""
        x, y = points[:, :1], points[:, 1:]
        (x1, y1), (x2, y2) = self.points.T, self._next.T
        spans = (y1 > y) != (y2 > y)
        rise = np.where(y1 == y2, 1.0, y2 - y1)  # a level edge spans nothing: any divisor will do
        crossed = spans & (x < x1 + (x2 - x1) * (y - y1) / rise)
        odd: Mask = crossed.sum(axis=1) % 2 == 1
        return odd

    def shares(self, boxes: ArrayLike) -> Floats:
        """How much of each box's area lies inside: (n,) in 0..1.

        boxes: (n, 4) xyxy, fractions. A box without area counts 1 if its centre is inside, else 0.
        """
        boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        shares = self.contains(_centres(boxes)).astype(np.float64)
        for i in np.flatnonzero(areas > 0):
            inside = abs(_signed_area(_clipped(self.points, boxes[i])))
            shares[i] = min(inside / areas[i], 1.0)
        return shares

    def holds(
        self, boxes: ArrayLike, anchor: Anchor = "bottom-centre", min_overlap: float = 0.5
    ) -> Mask:
        """Which of `boxes` (n, 4), xyxy in fractions, count as inside: (n,) bool.

        `min_overlap` (share of the box, above 0 to 1) is for the anchor `overlap` alone.
        """
        boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        if anchor == "overlap":
            mask: Mask = self.shares(boxes) >= min_overlap - TOUCH
            return mask
        if anchor == "centre":
            return self.contains(_centres(boxes))
        return self.contains(np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1))


def _centres(boxes: Floats) -> Floats:
    centres: Floats = (boxes[:, :2] + boxes[:, 2:]) / 2
    return centres


def _checked(points: Sequence[Sequence[float]]) -> Floats:
    if not MIN_POINTS <= len(points) <= MAX_POINTS:
        raise InvalidZone(
            f"a zone has {MIN_POINTS} to {MAX_POINTS} points [x, y], this one has {len(points)}"
        )
    for i, point in enumerate(points):
        if len(point) != 2:
            raise InvalidZone(f"point {i + 1} has {len(point)} numbers, not two (x, y)", i)
        if not all(0.0 <= value <= 1.0 for value in point):  # NaN is refused here too
            raise InvalidZone(
                f"{_named(points, i)} is outside of the picture: x and y are fractions of its "
                "width and height, 0 to 1",
                i,
            )
    array = np.array(points, dtype=np.float64)
    _check_outline(array)
    return array


def _check_outline(points: Floats) -> None:
    following = np.roll(points, -1, axis=0)
    for i in np.flatnonzero(np.abs(points - following).max(axis=1) <= TOUCH):
        _refuse_repeat(points, int(i))
    longest = max(range(len(points)), key=lambda i: float(np.hypot(*(points[i] - points[0]))))
    if (_distances(points, points[:1], points[longest : longest + 1]) <= TOUCH).all():
        raise InvalidZone("all points lie on one line, so the zone has no area")
    _refuse_touching(points, following)
    _refuse_crossing(points, following)


def _refuse_repeat(points: Floats, i: int) -> None:
    last = len(points) - 1
    if i == last:
        raise InvalidZone(
            f"{_named(points, last)} repeats point 1: leave it out, a zone closes by itself", last
        )
    raise InvalidZone(f"{_named(points, i + 1)} repeats point {i + 1}: leave it out", i + 1)


def _refuse_touching(points: Floats, following: Floats) -> None:
    """A corner on an edge that is not its own: the outline folds back or touches itself."""
    near = _distances(points, points, following) <= TOUCH
    own = np.eye(len(points), dtype=bool)
    near &= ~(own | np.roll(own, -1, axis=1))
    for i, j in np.argwhere(near):
        raise InvalidZone(
            f"{_named(points, int(i))} lies on the edge from {_edge(points, int(j))}: "
            "the outline must not touch itself",
            int(i),
        )


def _refuse_crossing(points: Floats, following: Floats) -> None:
    side = _sides(points[:, None], following[:, None], points[None])  # of corner j, seen by edge i
    side_next = np.roll(side, -1, axis=1)
    parted = np.sign(side) * np.sign(side_next) < 0
    for i, j in np.argwhere(parted & parted.T):
        raise InvalidZone(
            f"the edge from {_edge(points, int(i))} crosses the edge from "
            f"{_edge(points, int(j))}: give the points in the order of the outline",
            int(i),
        )


def _sides(starts: Floats, ends: Floats, points: Floats) -> Floats:
    """Positive where `points` lie on the one side of the lines, negative on the other."""
    along, offset = ends - starts, points - starts
    sides: Floats = along[..., 0] * offset[..., 1] - along[..., 1] * offset[..., 0]
    return sides


def _distances(points: Floats, starts: Floats, ends: Floats) -> Floats:
    """From each point (n, 2) to each segment `starts[j]`..`ends[j]` (m, 2): (n, m)."""
    along = ends - starts
    offset = points[:, None, :] - starts
    share = np.clip((offset * along).sum(axis=-1) / (along**2).sum(axis=-1), 0.0, 1.0)
    away = offset - share[..., None] * along
    distances: Floats = np.hypot(away[..., 0], away[..., 1])
    return distances


def _signed_area(points: Floats) -> float:
    """Shoelace formula, relative to the first point for precision."""
    if len(points) < MIN_POINTS:
        return 0.0
    x, y = (points - points[0]).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _clipped(points: Floats, box: Floats) -> Floats:
    """What of the polygon lies in the box: Sutherland and Hodgman, 1974.

    Where a hollow polygon falls apart, the pieces stay joined by edges of no area.
    """
    outline = [(float(x), float(y)) for x, y in points]
    for axis in (0, 1):
        outline = _cut(outline, axis, float(box[axis]), 1.0)
        outline = _cut(outline, axis, float(box[axis + 2]), -1.0)
    return np.array(outline, dtype=np.float64).reshape(-1, 2)


def _cut(
    outline: list[tuple[float, float]], axis: int, limit: float, sign: float
) -> list[tuple[float, float]]:
    """The part of `outline` on the positive (sign 1) or negative (-1) side of `limit`."""
    kept: list[tuple[float, float]] = []
    for i, end in enumerate(outline):
        start = outline[i - 1]
        before, after = (start[axis] - limit) * sign, (end[axis] - limit) * sign
        if (before < 0) != (after < 0):
            share = before / (before - after)
            kept.append(
                (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
            )
        if after >= 0:
            kept.append(end)
    return kept


def _named(points: Sequence[Sequence[float]] | Floats, i: int) -> str:
    x, y = points[i]
    return f"point {i + 1} ({x:g}, {y:g})"


def _edge(points: Floats, i: int) -> str:
    return f"point {i + 1} to {(i + 1) % len(points) + 1}"
