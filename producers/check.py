"""Tries a camera once: is it there, what does it send, what will it cost, what would be better?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from producers.camera import encoder_of
from producers.encoder import Encoded
from producers.landed.inbox import start_us_of
from producers.landed.landings import store_of
from producers.landed.settings import LANDED, LandedSettings, S3Settings
from producers.landed.stores import StoreError
from producers.live.arrivals import Arrival, LiveSource
from producers.live.ticks import monotonic_us
from producers.settings import CameraSettings
from producers.source_settings import LIVE, LiveSettings, RtspSettings
from producers.sources.base import Picture, SourceError
from producers.sources.registry import build_live, build_source
from producers.sources.video import VideoSource
from runtime.errors import UserError
from schemas.messages import MissingReason

# What came before the connection stood comes at once, and says nothing about the camera's rate.
_BURST_US = 1_000_000
_AT_ONCE = 16  # cameras
# Beyond that a detector sees no more, and every frame costs more.
_LARGE_PIXELS = 1920 * 1080

_HINTS: dict[MissingReason, str] = {
    "refused": "look at the address: host, port and path",
    "unreachable": "look at the address, the cable, and whether the camera is on this network",
    "wrong-password": "set user and password_file",
    "stalled": "restart the camera, or try transport: tcp",
    "undecodable": "set the camera to H.264, H.265 or MJPEG",
    "spool-full": "",  # no source says so
}
_NO_KEY_FRAME = "frames come, and no key frame"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a try of one camera found. None: not known, or not of this kind of camera."""

    camera: str
    kind: str
    reachable: bool
    reason: str | None = None  # why not
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    key_interval_s: float | None = None
    jpeg_bytes: int | None = None  # of a frame as it would be sent
    cpu_ms: float | None = None  # of what is made of a frame once it has come
    uplink_kbit_s: float | None = None
    thumbnail: str | None = None
    advice: list[str] = field(default_factory=list)


def check_all(
    cameras: dict[str, CameraSettings], seconds: float
) -> list[tuple[Checked, Encoded | None]]:
    """Each camera tried for so long, several at a time; with a frame as it would be sent."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda name: check(name, cameras[name], seconds), cameras))


def check(camera: str, settings: CameraSettings, seconds: float) -> tuple[Checked, Encoded | None]:
    """One camera. Never raises for what is wrong with it: that is what it tells."""
    found = Checked(camera, settings.source.kind, reachable=False)
    try:
        if isinstance(settings.source, LIVE):
            found, picture = _live(found, settings.source, settings, seconds)
        elif isinstance(settings.source, LANDED):
            picture = _newest_picture(settings.source)
        else:
            picture = _first_picture(settings)
        began_ms = time.thread_time() * 1000
        encoded = encoder_of(settings).encode(picture())
        cpu_ms = time.thread_time() * 1000 - began_ms
    except SourceError as error:
        return replace(found, reason=str(error), advice=[_hint(error)]), None
    except (UserError, StoreError) as error:
        return replace(found, reason=str(error)), None
    found = replace(
        found,
        reachable=True,
        width=encoded.width,
        height=encoded.height,
        jpeg_bytes=len(encoded.jpeg),
        cpu_ms=round(cpu_ms, 1),
        uplink_kbit_s=round(len(encoded.jpeg) * 8 / 1000 / settings.interval_s, 1),
    )
    return replace(found, advice=advice_on(found, settings)), encoded


def _hint(error: SourceError) -> str:
    if error.detail.startswith(_NO_KEY_FRAME):
        return "set the camera's I-frame interval to that of the ticks"
    return _HINTS[error.reason]


def advice_on(found: Checked, settings: CameraSettings) -> list[str]:
    """What would make this camera cheaper, or better."""
    advice = []
    if found.key_interval_s is not None and found.key_interval_s > 2 * settings.interval_s:
        advice.append(
            f"set the camera's I-frame interval to {settings.interval_s:g} s (it is"
            f" {found.key_interval_s:g} s): then key frames alone are decoded, at a fraction of the"
            " cost"
        )
    if (found.width or 0) * (found.height or 0) > _LARGE_PIXELS:
        second = isinstance(settings.source, RtspSettings) and settings.source.stream == "main"
        advice.append(
            "use the sub-stream (sub_url, stream: sub), or set longest_side: 1280"
            if second
            else "set longest_side: 1280"
        )
    if found.fps is not None and found.fps * settings.interval_s < 1:
        advice.append(f"the camera sends {found.fps:g} frames a second: set interval_s to match")
    if settings.gate == "edge" and settings.signature:
        advice.append("leave signature out: with gate: edge nobody looks at it")
    return advice


def _live(
    found: Checked, source: LiveSettings, settings: CameraSettings, seconds: float
) -> tuple[Checked, Callable[[], Picture]]:
    live = build_live(source, settings.interval_us, monotonic_us)
    arrivals = _watched(live, seconds)
    whole = [arrival for arrival in arrivals if arrival.whole]
    if not whole:
        raise SourceError("stalled", f"{_NO_KEY_FRAME} in {2 * seconds:g} s")
    found = replace(
        found,
        codec=live.codec,
        fps=_rate(arrivals) if source.kind != "snapshot" else None,
        key_interval_s=_interval_s(whole) if len(whole) < len(arrivals) else None,
    )
    return found, whole[-1].load


def _watched(live: LiveSource, seconds: float) -> list[Arrival]:
    """What comes in so many seconds; in twice as many, where no whole frame is among it."""
    arrivals: list[Arrival] = []
    until_us = monotonic_us() + round(seconds * 1e6)
    late_us = until_us + round(seconds * 1e6)
    with closing(live.arrivals(_Demand(until_us))) as coming:
        for arrival in coming:
            if arrival is not None:
                arrivals.append(arrival)
            now_us = monotonic_us()
            if now_us >= late_us or (now_us >= until_us and any(one.whole for one in arrivals)):
                return arrivals
    if not arrivals:
        raise SourceError("unreachable", "the camera ended the stream")
    return arrivals


class _Demand:
    """Asks at once, then twice a second, until a moment."""

    def __init__(self, until_us: int) -> None:
        self._until_us = until_us
        self._asked = False

    def wait(self) -> bool:
        """See `producers.live.arrivals.Demand`."""
        if self._asked:
            time.sleep(0.5)
        self._asked = True
        return monotonic_us() < self._until_us


def _rate(arrivals: Sequence[Arrival]) -> float | None:
    steady = [one for one in arrivals if one.arrived_us - arrivals[0].arrived_us > _BURST_US]
    span_us = steady[-1].arrived_us - steady[0].arrived_us if len(steady) > 1 else 0
    return round((len(steady) - 1) / span_us * 1e6, 1) if span_us else None


def _interval_s(whole: Sequence[Arrival]) -> float | None:
    gaps = [later.arrived_us - one.arrived_us for one, later in pairwise(whole)]
    gaps = [gap for gap in gaps if gap > 0]
    # The first ones came with the burst.
    return round(median(gaps[1:] or gaps) / 1e6, 2) if gaps else None


def _newest_picture(source: LandedSettings | S3Settings) -> Callable[[], Picture]:
    """Of the file that landed last. Raises UserError where its time can't be told either."""
    store = store_of(source)
    newest = max(store.look(), key=lambda one: one.changed_us, default=None)
    if newest is None:
        raise UserError("no file has landed there, of those that `files` names")
    try:
        start_us_of(source.name_times, store, newest)
    except UserError as error:
        raise UserError(f"{newest.name}: {error}") from error
    with closing(VideoSource(store.file(newest)).frames()) as frames:
        return next(frames).load


def _first_picture(settings: CameraSettings) -> Callable[[], Picture]:
    with closing(build_source(settings)) as source, closing(source.frames()) as frames:
        first = next(frames, None)
    if first is None:
        raise SourceError("undecodable", "it holds no frame")
    return first.load
