"""Ticks of one camera for the gate's tests: small real JPEGs of a few scenes."""

from __future__ import annotations

from functools import cache

import numpy as np

from schemas.messages import Box, Captured, Inferred, Missing, Rejected, from_us
from tests.vision.scenes import picture
from vision.jpeg import encode_bgr

S = 1_000_000
NOON = 1_790_000_000 * S
CAMERA = "yard"


@cache
def scene(number: int) -> bytes:
    """One of several pictures of 64x48 that differ plainly, as JPEG."""
    return encode_bgr(picture(64, 48, seed=number), 90)


@cache
def slightly_other(number: int) -> bytes:
    """The same scene with a little noise."""
    noise = np.random.default_rng(number).normal(0, 1, (48, 64, 3))
    return encode_bgr(
        np.asarray(np.clip(picture(64, 48, seed=number) + noise, 0, 255), np.uint8), 90
    )


@cache
def noisy(number: int) -> bytes:
    """A scene with noise, fresh for each number."""
    noise = np.random.default_rng(number).normal(0, 6, (480, 640, 3))
    return encode_bgr(np.asarray(np.clip(picture(640, 480) + noise, 0, 255), np.uint8), 90)


def captured(
    at_s: float, seq: int, jpeg: bytes, *, run: str = "a", width: int = 64, height: int = 48
) -> Captured:
    """A captured tick `at_s` seconds after noon."""
    return Captured(
        camera=CAMERA,
        captured_at=from_us(NOON + round(at_s * S)),
        run=run,
        seq=seq,
        width=width,
        height=height,
        jpeg=jpeg,
        stages={"produce": (1, 2)},
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def missing(at_s: float, seq: int, *, run: str = "a") -> Missing:
    """A tick at which the camera gave nothing."""
    return Missing(
        camera=CAMERA,
        captured_at=from_us(NOON + round(at_s * S)),
        run=run,
        seq=seq,
        reason="stalled",
        detail="no frame for 3 s",
    )


def inferred(at_s: float, seq: int, *boxes: Box, camera: str = CAMERA) -> Inferred:
    """What the detector saw on the frame that was captured `at_s` seconds after noon."""
    return Inferred(
        camera=camera,
        captured_at=from_us(NOON + round(at_s * S)),
        run="a",
        seq=seq,
        width=64,
        height=48,
        model="m",
        boxes=boxes,
        because="changed",
    )


def not_inferred(at_s: float, seq: int) -> Rejected:
    """The same frame, of which the detector could make nothing."""
    return Rejected(
        camera=CAMERA,
        captured_at=from_us(NOON + round(at_s * S)),
        run="a",
        seq=seq,
        reason="undecodable",
    )
