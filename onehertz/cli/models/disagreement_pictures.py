"""Pictures of the worst disagreements: left what the reference sees, right what the model sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from inference_worker.admission import Reference
from inference_worker.admission.checking import Check
from inference_worker.backends.base import Image
from vision.draw import draw_boxes, write_png

_WORST = 3  # per engine and precision
_GAP_PIXELS = 8
_WHITE = 255


def write_disagreements(folder: Path, reference: Reference, checks: Sequence[Check]) -> list[Path]:
    """Of each engine and precision the worst frames, the worst first; returns the files.

    Raises UserError if the folder can't be written.
    """
    written = []
    for one in checks:
        for place, at in enumerate(_worst(one), start=1):
            known = reference.pictures[at]
            expected = [box for box in known.boxes if box.score >= one.score_threshold]
            sides = draw_boxes(known.picture, expected), draw_boxes(known.picture, one.boxes[at])
            path = folder / f"{one.engine}-{one.precision}-{place}.png"
            write_png(path, _beside(*sides))
            written.append(path)
    return written


def _worst(one: Check) -> list[int]:
    if one.parity is None:
        return []
    apart = one.parity.apart
    order = sorted(range(len(apart)), key=lambda at: -apart[at])
    return [at for at in order[:_WORST] if apart[at] > 0]


def _beside(left: Image, right: Image) -> Image:
    pair = cv2.copyMakeBorder(
        left, 0, 0, 0, _GAP_PIXELS, cv2.BORDER_CONSTANT, value=(_WHITE, _WHITE, _WHITE)
    )
    return np.hstack([np.asarray(pair, dtype=np.uint8), right])
