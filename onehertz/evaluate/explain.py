"""Why a frame was kept or dropped, as a picture: the last kept frame, the frame, and its tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from onehertz.evaluate.judging import Tick
from onehertz.evaluate.ticks import frames_at, read
from runtime.errors import UserError
from vision.draw import Image
from vision.gate import Decision, Gate, GateRule
from vision.tiles import Tiles, in_clusters

_WIDTH: Final = 480  # of each of the three pictures, pixels
_GAP: Final = 6
_FRAME: Final = (0, 159, 230)  # BGR


def explained(source: Path, interval_us: int, at_s: float, rule: GateRule) -> tuple[Image, str]:
    """The picture (BGR) and a line of words. Raises UserError: no video, or no tick so late."""
    gate = Gate(rule)
    kept: Tick | None = None
    for tick in read(source, interval_us, 1, {})[0].ticks:
        changes = gate.changes(tick.luma)
        at_us = round(tick.time_s * 1e6)
        decision = gate.decide(tick.luma, f"{source.name}@{at_us}", at_us)
        if tick.time_s >= at_s:
            return _drawn(source, kept or tick, tick, changes, rule), _words(tick, kept, decision)
        if decision.kept:
            kept = tick
    raise UserError(f"{source}: has no tick at {at_s:g} s or later")


def _words(tick: Tick, kept: Tick | None, decision: Decision) -> str:
    outcome = f"kept ({decision.because})" if decision.kept else "dropped"
    beside = "" if kept is None else f" beside that of {kept.time_s:.2f} s"
    scene = "" if decision.scene is None else f", {decision.scene}"
    return f"{tick.time_s:.2f} s: {outcome}, score {decision.score:.1f}{beside}{scene}"


def _drawn(source: Path, kept: Tick, tick: Tick, changes: Tiles | None, rule: GateRule) -> Image:
    pictures = {
        index: image for index, _, image in frames_at(source, {kept.frame_index, tick.frame_index})
    }
    before, now = (_fitted(pictures[one.frame_index]) for one in (kept, tick))
    gap = np.full((len(now), _GAP, 3), 255, np.uint8)
    return np.hstack([before, gap, now, gap, _heat(now, changes, rule.threshold)])


def _heat(now: Image, changes: Tiles | None, threshold: float) -> Image:
    """The frame in grey under its tiles' changes: the threshold is halfway up the colours."""
    grey = cv2.cvtColor(cv2.cvtColor(now, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if changes is None:
        return np.asarray(grey, np.uint8)
    height, width = now.shape[:2]
    levels = np.clip(changes * (128 / threshold), 0, 255).astype(np.uint8)
    coloured = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    coloured = cv2.resize(coloured, (width, height), interpolation=cv2.INTER_NEAREST)
    heat = cv2.addWeighted(grey, 0.45, coloured, 0.75, 0)
    rows, columns = changes.shape
    for row, column in np.argwhere(in_clusters(changes, threshold)):
        corner = (column * width // columns, row * height // rows)
        other = ((column + 1) * width // columns - 1, (row + 1) * height // rows - 1)
        cv2.rectangle(heat, corner, other, _FRAME, 1)
    return np.asarray(heat, np.uint8)


def _fitted(image: Image) -> Image:
    height = max(1, round(image.shape[0] * _WIDTH / image.shape[1]))
    fitted = cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(fitted, np.uint8)
