"""Key frames of RTSP streams to JPEG by PyAV alone, a thread per camera."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import av
import numpy as np

from benchmarks.method.metering import Stopwatch, Work
from vision.jpeg import encode_bgr

_QUALITY = 85


def run(urls: list[str], settle_s: float, seconds: float) -> Work:
    """JPEGs of so many seconds, once the streams have been open for `settle_s`."""
    with ThreadPoolExecutor(len(urls)) as threads:
        containers = list(threads.map(_opened, urls))
        list(threads.map(partial(_encode, until_s=time.monotonic() + settle_s), containers))
        watch = Stopwatch()
        until_s = time.monotonic() + seconds
        work = watch.work(sum(threads.map(partial(_encode, until_s=until_s), containers)))
    for container in containers:
        container.close()
    return work


def _opened(url: str) -> av.container.InputContainer:
    container = av.open(url, options={"rtsp_transport": "tcp"}, timeout=(10, 10))
    container.streams.video[0].codec_context.thread_count = 1
    return container


def _encode(container: av.container.InputContainer, until_s: float) -> int:
    stream = container.streams.video[0]
    codec = stream.codec_context
    encoded = 0
    for packet in container.demux(stream):
        if time.monotonic() > until_s:
            break
        if packet.is_keyframe:
            for frame in (*codec.decode(packet), *codec.decode(None)):
                pixels = np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
                encode_bgr(pixels, _QUALITY)
                encoded += 1
            codec.flush_buffers()
    return encoded
