"""Who comes down the synthetic street, when, and what they look like: outlines, no pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Colour = tuple[int, int, int]  # BGR by day

MINUTE_US = 60_000_000
LONGEST_VISIT_MINUTES = 1  # gone before the end of the minute after the one of appearing
LEAST_VISIBLE = 0.2  # share of a body's box inside the frame below which it is not told of

_SHIRTS: tuple[Colour, ...] = (
    (40, 40, 190), (170, 90, 30), (50, 140, 60), (200, 200, 205), (30, 30, 35), (60, 170, 210),
)  # fmt: skip
_TROUSERS: tuple[Colour, ...] = ((70, 50, 35), (40, 40, 42), (110, 120, 130), (100, 60, 40))
_SKINS: tuple[Colour, ...] = ((150, 180, 225), (110, 145, 195), (60, 85, 130))
_PAINTS: tuple[Colour, ...] = ((40, 35, 160), (150, 90, 40), (215, 215, 215), (45, 45, 48))
_GLASS: Colour = (95, 85, 75)
_TYRE: Colour = (25, 25, 25)


class TrueBox(NamedTuple):
    """What is really there: label, and corners as fractions of the frame."""

    label: str
    x1: float
    y1: float
    x2: float
    y2: float


class Part(NamedTuple):
    """A filled polygon: corners (n, 2) in pixels."""

    corners: Floats
    colour: Colour


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who crosses the street once. Lengths are shares of the frame's height."""

    label: Literal["person", "car"]
    begins_us: int
    crossing_s: float
    direction: Literal[-1, 1]
    foot_y: float
    tall: float
    top: Colour
    bottom: Colour
    skin: Colour
    pause_s: float  # stands still for so long, half-way

    def progress(self, media_us: int) -> float:
        """Share of the way that lies behind it; below 0 or above 1: not there."""
        walked_s = (media_us - self.begins_us) / 1e6
        half_s = self.crossing_s / 2
        if walked_s > half_s:
            walked_s = max(half_s, walked_s - self.pause_s)
        return walked_s / self.crossing_s


def visitors_at(seed: int, activity: float, media_us: int) -> list[Visitor]:
    """Everybody on their way at that moment, the farthest first. Known from the arguments alone."""
    minute = media_us // MINUTE_US
    coming = [
        visitor
        for earlier in range(max(0, minute - LONGEST_VISIT_MINUTES), minute + 1)
        for visitor in _visitors_of_minute(seed, activity, earlier)
        if 0.0 <= visitor.progress(media_us) <= 1.0
    ]
    return sorted(coming, key=lambda visitor: visitor.foot_y)


@lru_cache(maxsize=64)
def _visitors_of_minute(seed: int, activity: float, minute: int) -> tuple[Visitor, ...]:
    rng = np.random.default_rng((seed, minute))
    if rng.random() >= activity:
        return ()
    return tuple(_visitor(rng, minute) for _ in range(int(rng.integers(1, 4))))


def _visitor(rng: np.random.Generator, minute: int) -> Visitor:
    """Appears within the minute and stays for at most 55 s (40 s of way, 15 s of pause)."""
    is_car = bool(rng.random() < 0.3)
    foot_y = float(rng.uniform(0.8, 0.9) if is_car else rng.uniform(0.64, 0.97))
    near = 0.6 + 1.6 * (foot_y - 0.6)  # perspective: what stands lower in the picture is closer
    return Visitor(
        label="car" if is_car else "person",
        begins_us=minute * MINUTE_US + int(rng.integers(0, MINUTE_US)),
        crossing_s=float(rng.uniform(4, 9) if is_car else rng.uniform(15, 40)),
        direction=1 if rng.random() < 0.5 else -1,
        foot_y=foot_y,
        tall=near * float(rng.uniform(0.22, 0.26) if is_car else rng.uniform(0.27, 0.33)),
        top=_pick(rng, _PAINTS if is_car else _SHIRTS),
        bottom=_pick(rng, _TROUSERS),
        skin=_pick(rng, _SKINS),
        pause_s=float(rng.uniform(5, 15)) if not is_car and rng.random() < 0.3 else 0.0,
    )


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(rng.integers(0, len(colours)))]


def body(visitor: Visitor, media_us: int, width: int, height: int) -> list[Part]:
    """The visitor's outline in a frame of that size, back to front."""
    tall_px = visitor.tall * height
    progress = visitor.progress(media_us)
    shape = _car_shape(visitor) if visitor.label == "car" else _person_shape(visitor, progress)
    reach_px = 1.4 * tall_px  # beyond half a car's length: begins and ends out of sight
    way_px = progress * (width + 2 * reach_px) - reach_px
    centre_x = way_px if visitor.direction == 1 else width - way_px
    scale = np.array([visitor.direction * tall_px, tall_px])
    feet = np.array([centre_x, visitor.foot_y * height])
    return [Part(part.corners * scale + feet, part.colour) for part in shape]


def true_box(label: str, parts: list[Part], width: int, height: int) -> TrueBox | None:
    """The box around what of the parts lies in the frame; None where that is too little."""
    inside = [_in_frame(part.corners, width, height) for part in parts]
    seen, whole = np.concatenate(inside), np.concatenate([part.corners for part in parts])
    if len(seen) == 0 or _box_area(seen) < LEAST_VISIBLE * _box_area(whole):
        return None
    (x1, y1), (x2, y2) = seen.min(axis=0) / (width, height), seen.max(axis=0) / (width, height)
    return TrueBox(label, float(x1), float(y1), float(x2), float(y2))


def _box_area(corners: Floats) -> float:
    return float(np.prod(np.ptp(corners, axis=0)))


def _in_frame(corners: Floats, width: int, height: int) -> Floats:
    """The polygon cut to the frame (Sutherland and Hodgman 1974); (0, 2) where nothing is left."""
    for axis, sign, limit in ((0, 1, 0), (0, -1, -width), (1, 1, 0), (1, -1, -height)):
        beyond = sign * corners[:, axis] - limit  # how far inside each corner is, px
        kept: list[Floats] = []
        for i in range(len(corners)):
            before, here = beyond[i - 1], beyond[i]
            if (before < 0) != (here < 0):
                share = before / (before - here)
                crossing = corners[i - 1] + share * (corners[i] - corners[i - 1])
                crossing[axis] = sign * limit
                kept.append(crossing)
            if here >= 0:
                kept.append(corners[i])
        corners = np.array(kept, dtype=np.float64).reshape(-1, 2)
    return corners


def _person_shape(visitor: Visitor, progress: float) -> list[Part]:
    """Feet at (0, 0), head at y = -1, walking towards +x."""
    # 0.9 double steps a second: at one, every frame at 1 Hz would catch the same posture.
    stride = 0.42 * math.sin(progress * visitor.crossing_s * 0.9 * 2 * math.pi)
    if visitor.pause_s and progress == 0.5:
        stride = 0.05
    return [
        _limb((0.0, -0.80), -stride * 0.7, 0.36, 0.035, visitor.top),
        _limb((0.0, -0.50), -stride, 0.50, 0.055, visitor.bottom),
        _limb((0.0, -0.50), stride, 0.50, 0.055, visitor.bottom),
        _polygon([(-0.09, -0.82), (0.09, -0.82), (0.075, -0.46), (-0.075, -0.46)], visitor.top),
        _limb((0.0, -0.80), stride * 0.7, 0.36, 0.035, visitor.top),
        _ellipse((0.01, -0.92), 0.065, 0.08, visitor.skin),
    ]


def _car_shape(visitor: Visitor) -> list[Part]:
    """Wheels on (0, 0), roof at y = -1, driving towards +x; 2.7 times as long as tall."""
    cabin = [(-0.85, -0.58), (-0.6, -1.0), (0.35, -1.0), (0.75, -0.58)]
    window = [(-0.68, -0.6), (-0.52, -0.92), (0.3, -0.92), (0.58, -0.6)]
    hull = [(-1.35, -0.2), (-1.32, -0.55), (-0.85, -0.6), (0.75, -0.6), (1.3, -0.48), (1.35, -0.2)]
    return [
        _polygon(cabin, visitor.top),
        _polygon(window, _GLASS),
        _polygon(hull, visitor.top),
        _ellipse((-0.85, -0.22), 0.22, 0.22, _TYRE),
        _ellipse((0.85, -0.22), 0.22, 0.22, _TYRE),
    ]


def _limb(
    joint: tuple[float, float], angle: float, length: float, half_width: float, colour: Colour
) -> Part:
    """A bar that hangs from a joint, swung by `angle` radians towards +x."""
    along = np.array([math.sin(angle), math.cos(angle)]) * length
    across = np.array([math.cos(angle), -math.sin(angle)]) * half_width
    begin = np.array(joint)
    end = begin + along
    return Part(np.array([begin - across, begin + across, end + across, end - across]), colour)


def _polygon(corners: list[tuple[float, float]], colour: Colour) -> Part:
    return Part(np.array(corners), colour)


def _ellipse(centre: tuple[float, float], rx: float, ry: float, colour: Colour) -> Part:
    angles = np.linspace(0.0, 2 * math.pi, 20, endpoint=False)
    return Part(np.array(centre) + np.stack([rx * np.cos(angles), ry * np.sin(angles)], 1), colour)
