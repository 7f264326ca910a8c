"""Every frame of RTSP streams by OpenCV's VideoCapture, a JPEG a second, a thread per camera."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"

import cv2

from benchmarks.method.metering import Stopwatch, Work

_QUALITY = 85


def run(urls: list[str], settle_s: float, seconds: float) -> Work:
    """JPEGs of so many seconds, once the streams have been open for `settle_s`."""
    with ThreadPoolExecutor(len(urls)) as threads:
        captures = list(threads.map(partial(cv2.VideoCapture, apiPreference=cv2.CAP_FFMPEG), urls))
        list(threads.map(partial(_encode, until_s=time.monotonic() + settle_s), captures))
        watch = Stopwatch()
        until_s = time.monotonic() + seconds
        return watch.work(sum(threads.map(partial(_encode, until_s=until_s), captures)))


def _encode(capture: cv2.VideoCapture, until_s: float) -> int:
    encoded, due_s = 0, time.monotonic()
    while time.monotonic() < until_s:
        there, image = capture.read()
        if not there:
            break
        if time.monotonic() >= due_s:
            cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
            encoded += 1
            due_s += 1.0
    return encoded
