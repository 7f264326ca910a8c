"""Keep or drop: is anything in this frame that was not in the last kept one?

The rule is that of the project's gate study: tiles of the reduced luma, light taken out, each
measured by its own noise, against the last frame that was **kept** (so slow change adds up). A
person of 30x120 pixels at night moves the mean of a frame by less than one grey level: so nothing
here looks at the frame as a whole, but to tell what happened to all of it.

Pure: what it decides depends on what it was given, in that order, and on nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot
from typing import Literal

import numpy as np

from schemas.messages import Box
from vision import tiles
from vision.feedback import Feedback
from vision.gate_state import Memory, UnreadableState, pack, unpack
from vision.jpeg import MAX_LUMA_PIXELS, Luma, padded_pixels
from vision.noise import MAX_LEARNT, Levels, common_level, follow, noise_of
from vision.scene import Scene, is_blind, shift_between, shifted
from vision.stillness import Stillness

__all__ = ["MAX_SCORE", "Decision", "Gate", "GateRule", "UnreadableState", "drawn"]

Because = Literal["first", "changed", "audit", "refresh"]

# What a score is cut to; also that of a frame which can't be compared (another size).
MAX_SCORE = 999.0

# Shares of the tiles that have changed. From the first on it may be the camera that moved or shook.
# From the second on little of the old scene is left; cars that fill a picture reach 0.57.
_MAYBE_MOVED, _ALL_OTHER = 0.02, 0.6
# It did where its move takes away half of the change; a bus that fills the picture moves too.
_EXPLAINED = 0.5
# Of the reduced luma, so 12 pixels of a 1080p frame: a shaking mast. A box of 48 pixels that is off
# by as much still has an IoU of .6.
_SHAKES_PX = 1.5


@dataclass(frozen=True, slots=True)
class GateRule:
    """What the gate goes by.

    `threshold`: in multiples of a tile's own noise. With 10, F1 of two detectors was >= .959 on all
    eleven clips (.986 but for boxes at the edge of their thresholds), with 12 .935 (.942).
    `refresh_us`: a frame is kept at the latest this long after the last kept one.
    `audit_rate`: share of the frames to drop that are kept anyway, drawn by frame id and `seed`.
    `feedback`: whether `learn` will be called, so what it needs is remembered.
    `frozen_us`: a picture that is the same for so long is a fault; 0: never.
    """

    threshold: float = 10.0
    refresh_us: int = 60_000_000
    audit_rate: float = 0.02
    seed: int = 0
    feedback: bool = False
    frozen_us: int = 60_000_000


@dataclass(frozen=True, slots=True)
class Decision:
    """`because` says why a frame was kept; `score` how far it was from the last kept one.

    `scene` says what became of the picture as a whole. A *frozen* one is not kept, and says nothing
    about what is there.
    """

    kept: bool
    because: Because | None
    score: float
    scene: Scene | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """A frame beside the last kept one."""

    score: float
    ratios: tiles.Tiles
    scene: Scene | None


class Gate:
    """The gate of one camera. A shallow copy of it is a checkpoint.

    Raises UnreadableState if `state` is not one of this version's.
    """

    def __init__(self, rule: GateRule, state: bytes | None = None) -> None:
        self._rule = rule
        self._memory = None if state is None else self._fitted(unpack(state))

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
            self._memory = self._begun(picture, frame, captured_at_us)
            first = memory is None
            means = tiles.tile_means(tiles.stabilise(picture))
            scene: Scene | None = "blind" if is_blind(means) else None
            return Decision(
                True, "first" if first else "changed", 0.0 if first else MAX_SCORE, scene
            )
        return self._compare(memory, picture, frame, captured_at_us)

    def learn(self, frame: str, boxes: Sequence[Box] | None) -> bool:
        """What the detector saw on a kept frame; None: it could not look at it.

        Then, if nothing was kept since, the next frame is kept: nobody knows what the last one
        showed. False: the frame is not remembered (any more), or was answered before; nothing is
        learnt then, and nothing without `GateRule.feedback`.
        """
        memory = self._memory
        if memory is None or memory.feedback is None or not memory.feedback.remembers(frame):
            return False
        if boxes is None:
            forced = memory.forced or frame == memory.feedback.newest
            feedback = memory.feedback.failed(frame)
        else:
            forced = memory.forced
            feedback = memory.feedback.answered(frame, boxes)
        self._memory = replace(memory, feedback=feedback, forced=forced)
        return True

    def changes(self, luma: Luma) -> tiles.Tiles | None:
        """How far each tile is from the last kept frame, in multiples of its noise; learns nothing.

        None where there is nothing to compare with: no frame yet, or one of another size; and where
        no noise is known: after the first frame, and right after the whole scene has changed.
        """
        memory, picture = self._memory, tiles.pad(luma)
        if memory is None or memory.levels is None or memory.kept.shape != picture.shape:
            return None
        return self._look(memory, tiles.stabilise(picture), memory.levels).ratios

    def state(self) -> bytes:
        """All that later decisions depend on besides the rule; `Gate(rule, state)` goes on exactly.

        Compressed: 8 to 37 kB on real clips, by their noise.
        """
        return pack(self._memory)

    # ------------------------------------------------------------ the parts of a decision

    def _fitted(self, memory: Memory | None) -> Memory | None:
        """As the rule has it now: feedback may have been turned on or off since."""
        if memory is None or (memory.feedback is not None) == self._rule.feedback:
            return memory
        return replace(memory, feedback=self._nothing_learnt(memory.kept, ""))

    def _nothing_learnt(self, picture: Luma, frame: str) -> Feedback | None:
        rows, columns = (side // tiles.TILE_PX for side in picture.shape)
        dull = np.zeros((rows, columns), np.uint8)
        return Feedback(dull, frame) if self._rule.feedback else None

    def _begun(self, picture: Luma, frame: str, at_us: int) -> Memory:
        """After a frame that starts anew. What was learnt about the detector is gone too."""
        return Memory(
            kept=picture,
            kept_at_us=at_us,
            last_rows=tiles.every_other_row(picture),
            stillness=Stillness(at_us),
            feedback=self._nothing_learnt(picture, frame),
        )

    def _compare(self, memory: Memory, picture: Luma, frame: str, at_us: int) -> Decision:
        stabilised = tiles.stabilise(picture)
        last_rows = tiles.every_other_row(picture)
        moved = _moved(memory.last_rows, tiles.every_other_row(stabilised))
        stillness = memory.stillness.after(memory.last_rows, last_rows, moved, at_us)
        # Judged by the noise from before this frame: nobody is measured by his own arrival.
        levels = common_level(moved) if memory.levels is None else memory.levels
        look = self._look(memory, stabilised, levels)
        frozen = stillness.is_frozen(at_us, self._rule.frozen_us)
        thawed = memory.stillness.is_frozen(at_us, self._rule.frozen_us) and not frozen
        # Nobody saw what came while it was frozen.
        forced = memory.forced or thawed
        because = self._because(look.score, frame, at_us - memory.kept_at_us, forced=forced)
        if frozen:
            because = None
        starts_anew = look.scene in ("moved", "switched")
        memory = replace(
            memory,
            last_rows=last_rows,
            levels=None if starts_anew else follow(levels, moved, memory.learnt),
            learnt=0 if starts_anew else min(memory.learnt + 1, MAX_LEARNT),
            stillness=stillness,
            forced=forced and because is None,
        )
        self._memory = (
            self._after_keeping(memory, picture, frame, at_us, look) if because else memory
        )
        return Decision(
            because is not None, because, look.score, "frozen" if frozen else look.scene
        )

    def _look(self, memory: Memory, stabilised: tiles.Stabilised, levels: Levels) -> _Look:
        noise = noise_of(levels if memory.feedback is None else memory.feedback.dulled(levels))
        means = tiles.tile_means(stabilised)
        ratios = tiles.differences(memory.kept, stabilised, means) / noise
        score = min(tiles.cluster_score(ratios), MAX_SCORE)
        blind: Scene | None = "blind" if is_blind(means) else None
        changed = float((ratios > self._rule.threshold).mean())
        if blind or changed < _MAYBE_MOVED:
            return _Look(score, ratios, blind)
        shift = shift_between(tiles.stabilise(memory.kept), stabilised)
        if shift is not None:
            steady = tiles.differences(shifted(memory.kept, *shift), stabilised, means) / noise
            if hypot(*shift) <= _SHAKES_PX:
                ratios = np.minimum(ratios, steady)
                score = min(tiles.cluster_score(ratios), MAX_SCORE)
            elif float((steady > self._rule.threshold).mean()) < _EXPLAINED * changed:
                return _Look(score, ratios, "moved")
        return _Look(score, ratios, "switched" if changed > _ALL_OTHER else None)

    def _because(
        self, score: float, frame: str, since_kept_us: int, *, forced: bool
    ) -> Because | None:
        # The audit comes last: it is to be a fair sample of what would be dropped.
        if forced or score > self._rule.threshold:
            return "changed"
        if since_kept_us >= self._rule.refresh_us:
            return "refresh"
        return "audit" if drawn(frame, self._rule.audit_rate, self._rule.seed) else None

    def _after_keeping(
        self, memory: Memory, picture: Luma, frame: str, at_us: int, look: _Look
    ) -> Memory:
        feedback = memory.feedback
        if feedback is not None:
            changed = look.score > self._rule.threshold
            triggered = tiles.in_clusters(look.ratios, self._rule.threshold) if changed else None
            feedback = feedback.kept(frame, triggered)
        return replace(memory, kept=picture, kept_at_us=at_us, feedback=feedback)


def _moved(last_rows: Luma, rows: tiles.Stabilised) -> tiles.Tiles:
    """How far each tile is from the frame before; of every other row."""
    height = tiles.TILE_PX // 2
    return tiles.differences(last_rows, rows, tiles.tile_means(rows, height), height)


def drawn(frame: str, rate: float, seed: int | str) -> bool:
    """Whether the frame with this identity is drawn: true for a share of `rate` of all of them."""
    digest = hashlib.blake2b(f"{seed}:{frame}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < rate * 2**64
