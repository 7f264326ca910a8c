"""The gate's decision alone, in this process, on frames of a 1080p street with noise.

`decision.luma`: from the luma, against 0.4 ms. `decision.changed`: the same where every frame shows
somebody elsewhere, so that the whole picture is looked at twice. `decision.signature`: decoded from
its signature, and decided on, against 0.5 ms. `decision.jpeg`: from the JPEG, against the bare 1/8
grey decode and 0.5 ms.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.method.pairing import Pair, interleaved
from benchmarks.method.results import Result, result
from benchmarks.method.site import Site
from producers.sources.street import StreetSource
from vision.gate import Gate, GateRule
from vision.jpeg import Luma, decode_luma, encode_bgr, inspect
from vision.signature import decode_signature, encode_signature

FRAMES = 400
ROUNDS = 7

_WIDTH, _HEIGHT = 1920, 1080
_DISTINCT = 20
_NOISE = 1.0
_LUMA_MS, _SIGNATURE_MS, _JPEG_MS = 0.4, 0.5, 0.5
_RULE = GateRule(audit_rate=0.0, refresh_us=10**15)


class _Frame(NamedTuple):
    luma: Luma
    jpeg: bytes
    signature: bytes | None


def run(site: Site, rounds: int) -> list[Result]:
    """CPU milliseconds for each frame."""
    still, busy = _frames(activity=0.0), _frames(activity=1.0)
    count = site.sized(FRAMES)
    ways: dict[str, Callable[[], float]] = {
        "luma": lambda: _decided(still, count, lambda one: one.luma),
        "changed": lambda: _decided(busy, count, lambda one: one.luma),
        "signature": lambda: _decided(still, count, _from_signature),
        "jpeg": lambda: _decided(still, count, _from_jpeg),
        "bare": lambda: _bare(still, count),
    }
    found = interleaved(rounds, ways)
    limits: dict[str, tuple[str, Callable[[float], float]]] = {
        "luma": ("0.4 ms", lambda _: _LUMA_MS),
        "changed": ("0.4 ms", lambda _: _LUMA_MS),
        "signature": ("0.5 ms", lambda _: _SIGNATURE_MS),
        "jpeg": ("the bare 1/8 grey decode and 0.5 ms", lambda bare: bare + _JPEG_MS),
    }
    return [
        result(
            f"decision.{name}", [Pair(one[name], limit(one["bare"])) for one in found],
            "CPU ms/frame", against, wanted=None if name == "changed" else 1.0,
        )
        for name, (against, limit) in limits.items()
    ]  # fmt: skip


def _frames(activity: float) -> list[_Frame]:
    source = StreetSource(seed=1, width=_WIDTH, height=_HEIGHT, activity=activity, noise=_NOISE)
    found = []
    for tick in range(_DISTINCT):
        jpeg = encode_bgr(source.render(60 + tick), 85)
        luma = decode_luma(jpeg, inspect(jpeg))
        found.append(_Frame(luma, jpeg, encode_signature(luma)))
    return found


def _decided(frames: list[_Frame], count: int, luma_of: Callable[[_Frame], Luma]) -> float:
    gate = Gate(_RULE)
    began_s = time.process_time()
    for number in range(count):
        luma = luma_of(frames[number % len(frames)])
        gate.decide(luma, f"cam@{number}", number * 1_000_000)
    return (time.process_time() - began_s) * 1000 / count


def _from_signature(one: _Frame) -> Luma:
    assert one.signature is not None
    return decode_signature(one.signature, _WIDTH, _HEIGHT)


def _from_jpeg(one: _Frame) -> Luma:
    return decode_luma(one.jpeg, inspect(one.jpeg))


def _bare(frames: list[_Frame], count: int) -> float:
    began_s = time.process_time()
    for number in range(count):
        jpeg = np.frombuffer(frames[number % len(frames)].jpeg, np.uint8)
        cv2.imdecode(jpeg, cv2.IMREAD_REDUCED_GRAYSCALE_8)
    return (time.process_time() - began_s) * 1000 / count
