"""How many ticks a clip has, counted by code that shares nothing with the producers."""

from __future__ import annotations

from pathlib import Path

import cv2


def ticks_at_1_hz(path: Path) -> int:
    """Whole seconds from the first frame to the last, both ends included, by OpenCV's reader."""
    capture = cv2.VideoCapture(str(path))
    times_ms = []
    while capture.grab():
        times_ms.append(capture.get(cv2.CAP_PROP_POS_MSEC))
    capture.release()
    assert times_ms, f"OpenCV reads no frame of {path}"
    return int((times_ms[-1] - times_ms[0]) / 1000 + 1e-6) + 1
