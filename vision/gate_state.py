"""What a gate knows of its camera, and its form in bytes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from runtime.errors import FatalError
from vision import tiles
from vision.feedback import Feedback, SavedFeedback, restore, save
from vision.jpeg import Luma
from vision.noise import Levels
from vision.stillness import Stillness

_VERSION = 2


class UnreadableState(FatalError):
    """A state that this version can't restore: made by another version, or damaged."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a gate knows of its camera. Never changed in place.

    53 kB for 1080p, 60 for the largest luma; with feedback some 5 more, more if nobody answers.
    """

    kept: Luma  # of the last kept frame, in whole tiles
    kept_at_us: int
    # Half of the rows suffice for a mean of absolute differences, and save 16 kB a camera.
    last_rows: Luma  # every other row of the last frame
    stillness: Stillness
    levels: Levels | None = None  # of the tiles' noise; None: not known yet
    learnt: int = 0  # frames that the levels were learnt from
    forced: bool = False  # the next frame is kept whatever it shows
    feedback: Feedback | None = None  # None: nothing is learnt from the detector


class _Saved(msgspec.Struct, array_like=True, frozen=True):
    version: int = _VERSION
    height: int = 0  # 0: no frame was seen
    width: int = 0
    kept_at_us: int = 0
    learnt: int = 0
    forced: bool = False
    stillness: tuple[int, int, int] = (0, 0, 0)
    has_levels: bool = False
    feedback: SavedFeedback | None = None
    planes: bytes = b""  # compressed: kept, last rows, levels, dull


def pack(memory: Memory | None) -> bytes:
    """As bytes; equal memories are equal bytes."""
    if memory is None:
        return msgspec.msgpack.encode(_Saved())
    height, width = memory.kept.shape
    still = memory.stillness
    planes = [memory.kept, memory.last_rows]
    planes += [] if memory.levels is None else [memory.levels]
    planes += [] if memory.feedback is None else [memory.feedback.dull]
    saved = _Saved(
        height=height,
        width=width,
        kept_at_us=memory.kept_at_us,
        learnt=memory.learnt,
        forced=memory.forced,
        stillness=(still.since_us, still.frames, still.lively),
        has_levels=memory.levels is not None,
        feedback=None if memory.feedback is None else save(memory.feedback),
        planes=zlib.compress(b"".join(plane.tobytes() for plane in planes), 1),
    )
    return msgspec.msgpack.encode(saved)


def unpack(state: bytes) -> Memory | None:
    """Raises UnreadableState."""
    try:
        saved = msgspec.msgpack.decode(state, type=_Saved)
        if saved.version != _VERSION:
            raise UnreadableState(
                f"gate state of version {saved.version}; this program reads {_VERSION}"
            )
        return _memory(saved) if saved.height else None
    except (msgspec.DecodeError, zlib.error, ValueError) as error:
        raise UnreadableState(f"damaged gate state of {len(state)} bytes: {error}") from error


def _memory(saved: _Saved) -> Memory:
    """Raises ValueError."""
    height, width = saved.height, saved.width
    tile_shape = (height // tiles.TILE_PX, width // tiles.TILE_PX)
    shapes = [(height, width), (height // 2, width)]
    shapes += [tile_shape] if saved.has_levels else []
    shapes += [tile_shape] if saved.feedback is not None else []
    planes = _split(zlib.decompress(saved.planes), shapes)
    dull = planes.pop() if saved.feedback is not None else None
    return Memory(
        kept=planes[0],
        kept_at_us=saved.kept_at_us,
        last_rows=planes[1],
        stillness=Stillness(*saved.stillness),
        levels=planes[2] if saved.has_levels else None,
        learnt=saved.learnt,
        forced=saved.forced,
        feedback=None if saved.feedback is None or dull is None else restore(saved.feedback, dull),
    )


def _split(content: bytes, shapes: list[tuple[int, int]]) -> list[NDArray[np.uint8]]:
    """Raises ValueError where it does not come out even."""
    sizes = [rows * columns for rows, columns in shapes]
    if len(content) != sum(sizes):
        raise ValueError(f"{len(content)} bytes of planes in place of {sum(sizes)}")
    values = np.frombuffer(content, np.uint8)
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
