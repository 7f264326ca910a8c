"""Keep or drop: is anything in this frame that was not in the last kept one?

The rule is that of the project's gate study: tiles of the reduced luma, light taken out, each
measured by its own noise, against the last frame that was **kept** (so slow change adds up). A
person of 30x120 pixels at night moves the mean of a frame by less than one grey level: so nothing
here looks at the frame as a whole.

Pure: what it decides depends on what it was given, in that order, and on nothing else.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import FatalError
from vision import tiles
from vision.jpeg import MAX_LUMA_PIXELS, Luma, padded_pixels

Because = Literal["first", "changed", "audit", "refresh"]
Pixel = TypeVar("Pixel", np.uint8, np.float32)

# What a score is cut to; also that of a frame which can't be compared (another size).
MAX_SCORE = 999.0

# A tile's noise is one byte: NOISE[level], from 0.6 (the floor) to 98 in steps of 2 %. Whole-number
# steps make a state small and its restoring exact.
NOISE = (0.6 * np.exp(0.02 * np.arange(256))).astype(np.float32)
# Up 3, down 2: at rest where two differences in five lie above, which is the .6 quantile. Higher,
# and passers-by would be learnt; lower, and a clock's seconds would not.
_STEP_UP, _STEP_DOWN = 3, 2
# Steps are larger at first, so that a clock overlay is learnt within some ten frames.
_FIRST_PACE, _FRAMES_PER_PACE = 8, 4
_MAX_LEARNT = _FIRST_PACE * _FRAMES_PER_PACE  # from here on the pace is 1; no need to count on
_QUANTILE = _STEP_UP / (_STEP_UP + _STEP_DOWN)
# The first two frames may differ by more than noise: a camera that starts with a grey picture must
# not have its first real one measured by that very change. A sensor at night stays below this.
_MAX_FIRST_NOISE = 4.0

_STATE_VERSION = 1
# Version, height, width, frames learnt from, capture time of the last kept frame.
_STATE_HEADER = struct.Struct(">BHHBq")


class UnreadableState(FatalError):
    """A state that this version can't restore: made by another version, or damaged."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """What the gate goes by.

    `threshold`: in multiples of a tile's own noise. 8 to 10 kept F1 >= .95 on 12 of 12 clips of the
    study; at 16 small objects that entered were lost (F1 .81).
    `refresh_us`: a frame is kept at the latest this long after the last kept one.
    `audit_rate`: share of the frames to drop that are kept anyway, drawn by frame id and `seed`.
    """

    threshold: float = 8.0
    refresh_us: int = 60_000_000
    audit_rate: float = 0.02
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """`because` says why a frame was kept; `score` how far it was from the last kept one."""

    kept: bool
    because: Because | None
    score: float


@dataclass(frozen=True, slots=True)
class _Memory:
    """What a gate knows of its camera: at most 64 kB. Never changed in place."""

    kept: Luma  # of the last kept frame, in whole tiles
    kept_at_us: int
    # Half of the rows suffice for a mean of absolute differences, and save 16 kB a camera.
    last_rows: Luma  # every other row of the last frame
    levels: NDArray[np.uint8] | None = None  # of the tiles' noise; None: only one frame seen
    learnt: int = 0  # frames that the levels were learnt from


class Gate:
    """The gate of one camera. A shallow copy of it is a checkpoint.

    Raises UnreadableState if `state` is not one of this version's.
    """

    def __init__(self, rule: GateRule, state: bytes | None = None) -> None:
        self._rule = rule
        self._memory = None if state is None else _unpack(state)

    def decide(
        self, luma: Luma, frame: str, captured_at_us: int, *, comparable: bool = True
    ) -> Decision:
        """Decides on the next frame of the camera, and learns from it.

        `luma` is (height, width) uint8 as `vision.jpeg.decode_luma` gives it, `frame` the frame's
        identity, `captured_at_us` its capture time, later than that of the frame before. Not
        `comparable`: the luma has another source than the last kept frame's (another resolution of
        the camera), so the frame is kept, as it is when the luma's own size has changed.
        Raises ValueError if the luma has more than MAX_LUMA_PIXELS in whole tiles.
        """
        if padded_pixels(luma) > MAX_LUMA_PIXELS:
            raise ValueError(f"luma of {luma.shape} has more than {MAX_LUMA_PIXELS} pixels")
        picture = tiles.pad(luma)
        memory = self._memory
        if memory is None or not comparable or memory.kept.shape != picture.shape:
            self._memory = _Memory(picture, captured_at_us, _every_other_row(picture))
            first = memory is None
            return Decision(True, "first" if first else "changed", 0.0 if first else MAX_SCORE)
        stabilised = tiles.stabilise(picture)
        moved = tiles.differences(
            memory.last_rows, _every_other_row(stabilised), rows_per_tile=tiles.TILE_PX // 2
        )
        # Judged by the noise from before this frame: nobody is measured by his own arrival.
        levels = _common_level(moved) if memory.levels is None else memory.levels
        ratios = tiles.differences(memory.kept, stabilised) / cv2.LUT(levels, NOISE)
        score = min(tiles.cluster_score(ratios), MAX_SCORE)
        because = self._because(score, frame, captured_at_us - memory.kept_at_us)
        self._memory = _Memory(
            kept=picture if because else memory.kept,
            kept_at_us=captured_at_us if because else memory.kept_at_us,
            last_rows=_every_other_row(picture),
            levels=_follow(levels, moved, _pace(memory.learnt)),
            learnt=min(memory.learnt + 1, _MAX_LEARNT),
        )
        return Decision(because is not None, because, score)

    def _because(self, score: float, frame: str, since_kept_us: int) -> Because | None:
        # The audit comes last: it is to be a fair sample of what would be dropped.
        if score > self._rule.threshold:
            return "changed"
        if since_kept_us >= self._rule.refresh_us:
            return "refresh"
        return "audit" if drawn(frame, self._rule.audit_rate, self._rule.seed) else None

    def state(self) -> bytes:
        """All that later decisions depend on besides the rule; `Gate(rule, state)` goes on exactly.

        Compressed: 14 to 18 kB for 1080p, 41 kB for a busy picture of the largest luma.
        """
        return _pack(self._memory)


def _pack(memory: _Memory | None) -> bytes:
    if memory is None:
        return _STATE_HEADER.pack(_STATE_VERSION, 0, 0, 0, 0)
    height, width = memory.kept.shape
    header = _STATE_HEADER.pack(_STATE_VERSION, height, width, memory.learnt, memory.kept_at_us)
    levels = b"" if memory.levels is None else memory.levels.tobytes()
    return header + zlib.compress(memory.kept.tobytes() + memory.last_rows.tobytes() + levels, 1)


def _unpack(state: bytes) -> _Memory | None:
    """Raises UnreadableState."""
    try:
        version, height, width, learnt, kept_at_us = _STATE_HEADER.unpack_from(state)
        if version != _STATE_VERSION:
            raise UnreadableState(
                f"gate state of version {version}; this program reads {_STATE_VERSION}"
            )
        if height == 0:
            return None
        values = np.frombuffer(zlib.decompress(state[_STATE_HEADER.size :]), np.uint8)
        pixels = height * width
        kept, last_rows, levels = np.split(values, [pixels, pixels * 3 // 2])
        tile_rows, tile_columns = height // tiles.TILE_PX, width // tiles.TILE_PX
        return _Memory(
            kept.reshape(height, width),
            kept_at_us,
            last_rows.reshape(height // 2, width),
            levels.reshape(tile_rows, tile_columns) if levels.size else None,
            learnt,
        )
    except (struct.error, zlib.error, ValueError) as error:
        raise UnreadableState(f"damaged gate state of {len(state)} bytes: {error}") from error


def drawn(frame: str, rate: float, seed: int) -> bool:
    """Whether the frame with this identity is drawn: true for a share of `rate` of all of them."""
    digest = hashlib.blake2b(f"{seed}:{frame}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < rate * 2**64


def _every_other_row(values: NDArray[Pixel]) -> NDArray[Pixel]:
    return np.ascontiguousarray(values[::2])


def _common_level(moved: tiles.Tiles) -> NDArray[np.uint8]:
    """Where all tiles begin: stabilised noise is much the same all over a picture."""
    common = min(float(np.quantile(moved, _QUANTILE)), _MAX_FIRST_NOISE)
    return np.full(moved.shape, np.searchsorted(NOISE, common), np.uint8)


def _follow(levels: NDArray[np.uint8], moved: tiles.Tiles, pace: int) -> NDArray[np.uint8]:
    """`levels` a step nearer to the .6 quantile of what each tile moves between two frames."""
    above = moved > cv2.LUT(levels, NOISE)
    step = np.where(above, _STEP_UP * pace, -_STEP_DOWN * pace)
    return np.clip(levels + step, 0, len(NOISE) - 1).astype(np.uint8)


def _pace(learnt: int) -> int:
    return max(1, _FIRST_PACE - learnt // _FRAMES_PER_PACE)
