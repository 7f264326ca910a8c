"""Looking closer: a frame in overlapping tiles and as a whole, and their boxes made one answer.

A detector looks at a picture of 300 to 640 pixels, so of a large frame's small objects little is
left. Each tile is looked at in its own right, beside the whole frame for what is larger than a
tile: so many inferences more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inference_worker.backends.base import Image
from inference_worker.detector import COORDINATE_DECIMALS, Boxes, Detector, rank
from inference_worker.tile_grid import Grid
from schemas.messages import Box
from vision.boxes import area, nms, shared_area

# Of a tile's side, what it shares with the next one at least: an object up to that size lies
# whole in one of them.
_OVERLAP = 0.2
# Two boxes of a label on one object, from different looks at it. On PETS in 2x3 tiles, the default
# detector at .45: recall .90 at .45 and at .6, precision .84 and .77. (On one look it suppresses
# at .6.)
_SAME_IOU = 0.45
# Of the area of a box that its tile has cut, from which it is a part of a box that is whole. There,
# without it: precision .76 instead of .84, the same recall.
_PART = 0.5
_EDGE_PX = 2.0


class Tile(NamedTuple):
    """A part of a frame, in its pixels; right and bottom are just outside."""

    left: int
    top: int
    right: int
    bottom: int


def plan_tiles(width: int, height: int, grid: Grid) -> list[Tile]:
    """The tiles of a frame of this size in pixels, row by row; none for a grid of one.

    They cover it, are square where the frame leaves room for that, spread evenly, and share a fifth
    of their side with their neighbours at least.
    """
    if grid.inferences == 1:
        return []
    side = max(_side(height, grid.rows), _side(width, grid.columns))
    across, down = min(side, width), min(side, height)
    return [
        Tile(left, top, left + across, top + down)
        for top in _starts(height, down, grid.rows)
        for left in _starts(width, across, grid.columns)
    ]


def views(image: Image, tiles: Sequence[Tile]) -> list[Image]:
    """The whole picture, then its tiles: what is to be inferred."""
    return [image, *(image[t.top : t.bottom, t.left : t.right] for t in tiles)]


def all_views(images: Sequence[Image], plans: Sequence[Sequence[Tile]]) -> list[Image]:
    """The views of several pictures, one after the other."""
    return [view for one, tiles in zip(images, plans, strict=True) for view in views(one, tiles)]


def merge_all(
    found: Iterable[Boxes], images: Sequence[Image], plans: Sequence[Sequence[Tile]]
) -> list[Boxes]:
    """One answer for each picture, of those for `all_views`."""
    rest = iter(found)
    return [_merged(rest, image, tiles) for image, tiles in zip(images, plans, strict=True)]


def merge(found: Sequence[Boxes], tiles: Sequence[Tile], width: int, height: int) -> Boxes:
    """One answer of those for the whole frame and for each tile, in fractions of each of these.

    Boxes that a tile's border has cut go where another box of their label has most of them; of
    what then overlaps by half, label by label, the best score stays. The best score comes first.
    """
    whole, *parts = found
    boxes, cut = list(whole), [False] * len(whole)
    for tile, here in zip(tiles, parts, strict=True):
        for box in here:
            moved = _in_frame(box, tile, width, height)
            boxes.append(moved)
            cut.append(_is_cut(moved, tile, width, height))
    if not boxes:
        return ()
    corners = np.array([(b.x1, b.y1, b.x2, b.y2) for b in boxes]) * ([width, height] * 2)
    labels = np.unique([box.label for box in boxes], return_inverse=True)[1]
    stays = np.flatnonzero(~_parts(corners, labels, np.array(cut)))
    scores = np.array([box.score for box in boxes])
    best = nms(corners[stays], scores[stays], labels[stays], _SAME_IOU)
    return tuple(sorted((boxes[at] for at in stays[best]), key=rank))


def detect_tiled(detector: Detector, images: Sequence[Image], grid: Grid) -> list[Boxes]:
    """As `Detector.detect`, each image in tiles and as a whole: `grid.inferences` of each."""
    plans = [tiles_of(image, grid) for image in images]
    return merge_all(detector.detect(all_views(images, plans)), images, plans)


def tiles_of(image: Image, grid: Grid | None) -> list[Tile]:
    """The tiles of a picture; None: none."""
    return plan_tiles(image.shape[1], image.shape[0], grid) if grid else []


def _merged(found: Iterator[Boxes], image: Image, tiles: Sequence[Tile]) -> Boxes:
    """Takes as many answers as the picture has views."""
    whole, *parts = islice(found, 1 + len(tiles))
    height, width = image.shape[:2]
    return merge([whole, *parts], tiles, width, height) if tiles else whole


def _side(length: int, count: int) -> int:
    return int(np.ceil(length / (count - (count - 1) * _OVERLAP)))


def _starts(length: int, side: int, count: int) -> list[int]:
    room = length - side
    return [
        round(room * number / (count - 1)) if count > 1 else room // 2 for number in range(count)
    ]


def _in_frame(box: Box, tile: Tile, width: int, height: int) -> Box:
    across, down = tile.right - tile.left, tile.bottom - tile.top
    x1, x2 = ((tile.left + x * across) / width for x in (box.x1, box.x2))
    y1, y2 = ((tile.top + y * down) / height for y in (box.y1, box.y2))
    x1, y1, x2, y2 = (round(min(1.0, value), COORDINATE_DECIMALS) for value in (x1, y1, x2, y2))
    return Box(label=box.label, score=box.score, x1=x1, y1=y1, x2=x2, y2=y2)


def _is_cut(box: Box, tile: Tile, width: int, height: int) -> bool:
    """Whether it ends at a border of the tile that is none of the frame's."""
    return (
        (tile.left > 0 and box.x1 * width <= tile.left + _EDGE_PX)
        or (tile.top > 0 and box.y1 * height <= tile.top + _EDGE_PX)
        or (tile.right < width and box.x2 * width >= tile.right - _EDGE_PX)
        or (tile.bottom < height and box.y2 * height >= tile.bottom - _EDGE_PX)
    )


def _parts(
    corners: NDArray[np.float64], labels: NDArray[np.intp], cut: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which boxes are cut, and lie for the most part in one of their label that is not."""
    sizes = area(corners)
    within = shared_area(corners, corners) >= _PART * sizes[:, None]
    same = labels[:, None] == labels[None, :]
    return np.asarray(cut & (within & same & ~cut[None, :]).any(axis=1))
