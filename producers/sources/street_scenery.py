"""The synthetic street without anybody in it: its picture by day and by night, and the noise."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from producers.sources.base import Image

NOISE_BORDER = 64  # the noise field is larger than a frame by this: each frame cuts another piece
NIGHT_NOISE = 3  # times that of the day


def scenery(seed: int, width: int, height: int) -> tuple[Image, Image]:
    """(by day, by night): (height, width, 3) uint8 BGR each, of the same street."""
    rng = np.random.default_rng((seed, 1))
    day = _ground(width, height)
    _houses(day, rng)
    _markings(day)
    day = _textured(day, rng)
    return day, _by_night(day, rng)


def daylight(media_us: int, day_us: int) -> float:
    """1 at noon, 0 at midnight; media time 0 is noon. Dusk and dawn each take a sixth of a day."""
    sun = math.cos(2 * math.pi * (media_us % day_us) / day_us)
    return min(1.0, max(0.0, 0.5 + sun))


def noise_field(seed: int, width: int, height: int, sigma: float) -> NDArray[np.int16]:
    """(height + border, width + border, 3) normal noise of `sigma` grey levels."""
    rng = np.random.default_rng((seed, 2))
    shape = (height + NOISE_BORDER, width + NOISE_BORDER, 3)
    field = np.rint(rng.standard_normal(shape, dtype=np.float32) * sigma)
    return np.asarray(field, dtype=np.int16)


def _ground(width: int, height: int) -> Image:
    image = np.empty((height, width, 3), dtype=np.uint8)
    image[:] = (205, 185, 165)  # sky
    image[round(0.6 * height) :] = (150, 155, 160)  # pavement
    image[round(0.74 * height) : round(0.93 * height)] = (95, 92, 90)  # road
    return image


def _houses(image: Image, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    left = 0
    while left < width:
        right = left + max(4, int(rng.uniform(0.15, 0.3) * height))
        top = round(rng.uniform(0.08, 0.25) * height)
        wall = rng.integers(90, 180, 3).tolist()
        cv2.rectangle(image, (left, top), (right - 1, round(0.6 * height)), wall, -1)
        pane = max(2, round(0.04 * height))
        for y in range(top + pane, round(0.52 * height), 2 * pane):
            for x in range(left + pane, right - pane, 2 * pane):
                glass = int(rng.integers(50, 110))
                cv2.rectangle(image, (x, y), (x + pane - 1, y + pane), (glass, glass, glass), -1)
        left = right


def _markings(image: Image) -> None:
    height, width = image.shape[:2]
    middle, dash = round(0.835 * height), max(2, round(0.12 * height))
    for x in range(0, width, 2 * dash):
        cv2.rectangle(image, (x, middle), (x + dash, middle + height // 120), (215, 215, 215), -1)


def _textured(image: Image, rng: np.random.Generator) -> Image:
    """Coarse stains and fine grain, so that no part of the street is flat."""
    height, width = image.shape[:2]
    coarse = rng.normal(0, 9, (max(2, height // 24), max(2, width // 24))).astype(np.float32)
    stains = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 4, (height, width)).astype(np.float32)
    return np.clip(image + (stains + grain)[:, :, None], 0, 255).astype(np.uint8)


def _by_night(day: Image, rng: np.random.Generator) -> Image:
    """A bluish twelfth of the day's light, and pools of light under three lamps."""
    height, width = day.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    light = np.zeros((height, width), dtype=np.float32)
    for lamp in (0.2, 0.5, 0.8):
        lamp_x = (lamp + rng.uniform(-0.05, 0.05)) * width / height
        light += np.exp(-(((x - lamp_x) / 0.16) ** 2 + ((y - 0.72) / 0.2) ** 2))
    colour = np.array([0.25, 0.4, 0.45], dtype=np.float32) * light[:, :, None]
    dark = np.array([0.11, 0.085, 0.08], dtype=np.float32)
    return np.clip(day * (dark + colour), 0, 255).astype(np.uint8)
