"""What the detector's answers say about tiles: where a change mattered, and where it did not.

A frame that was kept because tiles changed, and whose boxes are then those of the frame before it,
makes these tiles duller; boxes that changed make the tiles under them keen again. So what the
detector can't see (a car from above, a flag) costs less and less.

Pure values: nothing here is changed in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.messages import Box
from vision.noise import NOISE, Levels
from vision.scores import f1, matches

Tile = NDArray[np.bool_]  # one per tile

# In steps of 2 %, as the noise that it is added to: a factor of 1.4 duller, of 4 keener, at most 4
# duller. On eleven clips, with two detectors, each judged by the other one, F1 stayed >= .975 on
# each but for boxes within .15 of the threshold. A factor of 2 at once dropped a twentieth more,
# and missed a person in a dark yard once.
_DULLER, _KEENER, _DULLEST = 18, 69, 69
_FORGET = 1  # with each answer, everywhere
# Whoever is known to be there may move a little: a factor of 1.5 within his box, where a tile that
# he moves by is a sixth of him at most. Small boxes are off sooner.
_KNOWN_THERE, _LARGE_TILES = 20, 6
_HIGHEST = len(NOISE) - 1
_SAME_F1 = 0.95
# A box so little above the lowest score ever seen may be there on one frame and gone on the next.
_DOUBT = 0.15
# Frames whose answer is awaited: at 1 Hz, and with an answer in 2 s, there are two.
_MOST_AWAITED = 16
_MOST_BOXES = 100  # of an answer, the best


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A kept frame. `before`: the kept frame that it was compared with; `triggered`: by which."""

    frame: str
    before: str
    triggered: bytes | None  # a bit per tile; None: kept for another reason than a change


@dataclass(frozen=True, slots=True)
class Feedback:
    """All that the answers so far have left. `dull` is added to the tiles' noise levels."""

    dull: Levels
    newest: str  # the last kept frame; empty where that is not known
    awaited: tuple[_Awaited, ...] = ()
    known: tuple[tuple[str, tuple[Box, ...]], ...] = field(default=(), repr=False)
    lowest_score: float = 1.0  # of all boxes ever: near the detector's threshold

    def kept(self, frame: str, triggered: Tile | None) -> Feedback:
        """After another frame was kept."""
        bits = None if triggered is None else np.packbits(triggered).tobytes()
        awaited = (*self.awaited, _Awaited(frame, self.newest, bits))[-_MOST_AWAITED:]
        return replace(self, newest=frame, awaited=awaited)._without_the_forgotten()

    def dulled(self, levels: Levels) -> Levels:
        """The tiles' noise levels as they count, with all that the answers say."""
        known_there = np.zeros(levels.shape, np.int16)
        rows, columns = levels.shape
        for box in dict(self.known).get(self.newest, ()):
            top, bottom = round(box.y1 * rows), round(box.y2 * rows)
            left, right = round(box.x1 * columns), round(box.x2 * columns)
            if min(bottom - top, right - left) >= _LARGE_TILES:
                known_there[top:bottom, left:right] = _KNOWN_THERE
        dulled = levels.astype(np.int16) + self.dull + known_there
        return np.asarray(np.minimum(dulled, _HIGHEST), np.uint8)

    def remembers(self, frame: str) -> bool:
        """Whether an answer about this frame is of any use."""
        if not frame or any(name == frame for name, _ in self.known):
            return False  # a repeat
        return frame == self.newest or frame in self._needed()

    def answered(self, frame: str, boxes: Sequence[Box]) -> Feedback:
        """After what the detector saw on a frame that is remembered."""
        seen = tuple(boxes[:_MOST_BOXES])
        lowest = min([self.lowest_score, *(box.score for box in seen)])
        known = (*self.known, (frame, seen))
        after = replace(self, known=known, lowest_score=lowest)
        return after._judged()._without_the_forgotten()

    def failed(self, frame: str) -> Feedback:
        """After a frame that is remembered could not be inferred."""
        left = tuple(one for one in self.awaited if frame not in (one.frame, one.before))
        return replace(self, awaited=left)._without_the_forgotten()

    def _judged(self) -> Feedback:
        """Learn from each awaited frame of which both boxes are known."""
        known = dict(self.known)
        dull, left = self.dull, []
        for one in self.awaited:
            if one.frame in known and one.before in known:
                dull = self._learnt(dull, one, known[one.before], known[one.frame])
            else:
                left.append(one)
        return replace(self, dull=dull, awaited=tuple(left))

    def _learnt(
        self, dull: Levels, one: _Awaited, before: Sequence[Box], after: Sequence[Box]
    ) -> Levels:
        change = np.full(dull.shape, -_FORGET, np.int16)
        doubtful = self.lowest_score + _DOUBT
        if f1(before, after, doubtful=doubtful) < _SAME_F1:
            change[tiles_under(_unlike(before, after), dull.shape)] -= _KEENER
        elif one.triggered is not None:
            change[_tiles(one.triggered, dull.shape)] += _DULLER
        return np.asarray(np.clip(dull + change, 0, _DULLEST), np.uint8)

    def _needed(self) -> set[str]:
        return {name for one in self.awaited for name in (one.frame, one.before)}

    def _without_the_forgotten(self) -> Feedback:
        needed = self._needed() | {self.newest}
        return replace(self, known=tuple(one for one in self.known if one[0] in needed))


def tiles_under(boxes: Sequence[Box], shape: tuple[int, ...]) -> Tile:
    """The tiles that boxes lie on, and those next to them."""
    rows, columns = shape
    under = np.zeros(shape, np.bool_)
    for box in boxes:
        top, left = max(0, int(box.y1 * rows) - 1), max(0, int(box.x1 * columns) - 1)
        under[top : ceil(box.y2 * rows) + 1, left : ceil(box.x2 * columns) + 1] = True
    return under


def _unlike(before: Sequence[Box], after: Sequence[Box]) -> list[Box]:
    """Boxes without partner on the other side."""
    pairs = matches(before, after)
    ours, theirs = {one for one, _ in pairs}, {other for _, other in pairs}
    return [box for at, box in enumerate(before) if at not in ours] + [
        box for at, box in enumerate(after) if at not in theirs
    ]


class SavedFeedback(msgspec.Struct, array_like=True, frozen=True):
    """As it lies in a gate's state, besides `dull`."""

    newest: str
    awaited: list[tuple[str, str, bytes | None]]
    known: list[tuple[str, list[Box]]]
    lowest_score: float


def save(feedback: Feedback) -> SavedFeedback:
    """All of it but `dull`."""
    awaited = [(one.frame, one.before, one.triggered) for one in feedback.awaited]
    known = [(name, list(boxes)) for name, boxes in feedback.known]
    return SavedFeedback(feedback.newest, awaited, known, feedback.lowest_score)


def restore(saved: SavedFeedback, dull: Levels) -> Feedback:
    """Exactly what was saved. Raises ValueError where it does not fit the tiles of `dull`."""
    awaited = tuple(_Awaited(*one) for one in saved.awaited)
    fits = (dull.size + 7) // 8
    if any(one.triggered is not None and len(one.triggered) != fits for one in awaited):
        raise ValueError(f"tiles that are not {dull.size}")
    known = tuple((name, tuple(boxes)) for name, boxes in saved.known)
    return Feedback(dull, saved.newest, awaited, known, saved.lowest_score)


def _tiles(bits: bytes, shape: tuple[int, ...]) -> Tile:
    count = shape[0] * shape[1]
    unpacked = np.unpackbits(np.frombuffer(bits, np.uint8), count=count)
    return unpacked.reshape(shape).astype(np.bool_)
