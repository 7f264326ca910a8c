"""Whether an engine sees what the reference sees: boxes against boxes, on known frames.

A box whose score is near the threshold is in doubt and counts on neither side: there the last bits
decide whether it is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from schemas.messages import Box
from vision.boxes import iou
from vision.scores import matches

# At this IoU two boxes are the same box; at that of `vision.scores`, .5, the same object.
SAME_BOX_IOU = 0.9

Arithmetic = Literal["float32", "float16", "bfloat16", "int8"]


@dataclass(frozen=True)
class Tolerance:
    """How far an engine's boxes may be off those of the reference."""

    score: float  # of one box
    gone: float  # share of the reference's boxes without partner, and of new boxes
    moved: float  # share of pairs below `SAME_BOX_IOU` or with another score


# Measured on six detectors (SSD, DEIMv2 twice, YOLOX-nano, NanoDet, a person detector), 48 frames
# each, against ONNX Runtime at float32. OpenVINO at float32: every box at an IoU of 1.000 and a
# score within .0005. At bfloat16 (8 bits of mantissa): .5 % without partner at worst, 11 % of the
# boxes moved (small ones: half a pixel of ten makes an IoU of .9), scores off by .1 but for a few.
# float16 has 11 bits, so an eighth of that error; not measured. INT8: docs/models.md. A badly
# quantised DEIMv2-atto: half of its boxes gone, all others moved.
TOLERANCES: dict[Arithmetic, Tolerance] = {
    "float32": Tolerance(score=0.02, gone=0.01, moved=0.01),
    "float16": Tolerance(score=0.05, gone=0.02, moved=0.05),
    "bfloat16": Tolerance(score=0.10, gone=0.03, moved=0.15),
    "int8": Tolerance(score=0.15, gone=0.08, moved=0.30),
}


@dataclass(frozen=True)
class Parity:
    """The evidence: how boxes on known frames compare with the reference's."""

    frames: int
    expected: int  # boxes of the reference, well above the threshold
    matched: int  # of them, seen as the same object
    lost: int  # of them, not seen
    extra: int  # seen, well above the threshold, and not by the reference
    moved: int  # of those matched: below `SAME_BOX_IOU`, or with another score
    worst_iou: float  # of those matched; 1 if there are none
    worst_score_difference: float
    apart: tuple[float, ...]  # per frame, 0: nothing to complain of
    complaint: str  # empty: within the tolerance


@dataclass(frozen=True)
class _Frame:
    expected: int
    extra: int
    ious: tuple[float, ...]  # of the pairs
    score_differences: tuple[float, ...]


def tolerance_for(*arithmetics: str) -> Tolerance:
    """The widest of those that apply: a quantised graph is INT8 whatever the engine says."""
    known = [TOLERANCES[name] for name in TOLERANCES if name in arithmetics]
    return known[-1] if known else TOLERANCES["float32"]


def compare(
    found: Sequence[Sequence[Box]],
    expected: Sequence[Sequence[Box]],
    score_threshold: float,
    tolerance: Tolerance,
) -> Parity:
    """Boxes found on each frame against those expected there.

    Both with all boxes from below `score_threshold - tolerance.score` on; those that are nearer to
    the threshold than that are partners, and never missed.
    """
    frames = [
        _frame(ours, theirs, score_threshold, tolerance)
        for ours, theirs in zip(found, expected, strict=True)
    ]
    ious = [value for frame in frames for value in frame.ious]
    differences = [value for frame in frames for value in frame.score_differences]
    total = sum(frame.expected for frame in frames)
    lost, extra = total - len(ious), sum(frame.extra for frame in frames)
    moved = sum(_moved(frame, tolerance) for frame in frames)
    seen = sum(box.score >= score_threshold for boxes in found for box in boxes)
    return Parity(
        frames=len(frames),
        expected=total,
        matched=len(ious),
        lost=lost,
        extra=extra,
        moved=moved,
        worst_iou=min(ious, default=1.0),
        worst_score_difference=max(differences, default=0.0),
        apart=tuple(_apart(frame) for frame in frames),
        complaint=_complaint(total, lost, extra, moved, seen, tolerance),
    )


def _frame(
    ours: Sequence[Box], theirs: Sequence[Box], threshold: float, tolerance: Tolerance
) -> _Frame:
    sure_ours, sure_theirs = (
        _above(ours, threshold + tolerance.score),
        _above(theirs, threshold + tolerance.score),
    )
    all_ours, all_theirs = (
        _above(ours, threshold - tolerance.score),
        _above(theirs, threshold - tolerance.score),
    )
    pairs = [(all_ours[one], sure_theirs[other]) for one, other in matches(all_ours, sure_theirs)]
    known = len(matches(sure_ours, all_theirs))
    return _Frame(
        expected=len(sure_theirs),
        extra=len(sure_ours) - known,
        ious=tuple(_overlap(*pair) for pair in pairs),
        score_differences=tuple(abs(one.score - other.score) for one, other in pairs),
    )


def _complaint(
    expected: int, lost: int, extra: int, moved: int, seen: int, tolerance: Tolerance
) -> str:
    if expected and not seen:
        return f"it sees nothing on known frames, where the reference sees {expected} boxes"
    # Of none expected one box may be new: a share of nothing can't be told.
    basis = max(expected, 10)
    if lost > round(tolerance.gone * basis):
        return f"it misses {lost} of {expected} boxes that the reference sees on known frames"
    if extra > round(tolerance.gone * basis):
        return f"it sees {extra} boxes on known frames beside the reference's {expected}"
    if moved > round(tolerance.moved * basis):
        return (
            f"{moved} of {expected} boxes on known frames are off those of the reference"
            f" (IoU below {SAME_BOX_IOU}, or score by more than {tolerance.score})"
        )
    return ""


def _moved(frame: _Frame, tolerance: Tolerance) -> int:
    pairs = zip(frame.ious, frame.score_differences, strict=True)
    return sum(one < SAME_BOX_IOU or other > tolerance.score for one, other in pairs)


def _apart(frame: _Frame) -> float:
    """A box that only one side has counts 1, a pair by how far it is apart."""
    gone = frame.expected - len(frame.ious) + frame.extra
    return gone + sum(1 - one for one in frame.ious) + sum(frame.score_differences)


def _above(boxes: Sequence[Box], score: float) -> list[Box]:
    return [box for box in boxes if box.score >= score]


def _overlap(one: Box, other: Box) -> float:
    corners = [np.array([[box.x1, box.y1, box.x2, box.y2]]) for box in (one, other)]
    return float(iou(*corners)[0, 0])
