"""The producers on live RTSP cameras, 1080p25 H.264 with a key frame a second, a tick a second.

Against a bare loop of PyAV that decodes key frames alone and encodes them, and against OpenCV's
`VideoCapture.read()` on the same streams. All are as fast as the cameras: CPU per tick is what
counts. The cameras are a server of its own, whose CPU is in none of the figures.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.video.stream import VideoStream

from benchmarks.method.metering import Work, compared
from benchmarks.method.pairing import interleaved
from benchmarks.method.results import Result
from benchmarks.method.site import Line, Site
from producers.sources.street import StreetSource
from tests.producers.live.rtsp_server import RtspServer

CAMERAS = 2
SECONDS = 24
ROUNDS = 3

_RATE = 25
_CLIP_FRAMES = 10 * _RATE
_PYAV = "bare PyAV loop on the same streams: key frames decoded, made JPEG"
_OPENCV = "OpenCV's VideoCapture.read() on the same streams, a JPEG a second"


def run(site: Site, rounds: int) -> list[Result]:
    """CPU per tick, against each of the two loops."""
    folder = site.folder / "cameras"
    folder.mkdir()
    _write_clip(folder / "street.mp4")
    server = RtspServer(folder)
    server.start()
    try:
        urls = [server.url("street.mp4")] * CAMERAS
        seconds = site.sized(SECONDS)
        line = site.line("live", _settings(urls, site.folder / "spool"))
        measured = interleaved(
            rounds,
            {
                "ours": lambda: _producers(site, line, seconds * CAMERAS),
                "pyav": lambda: site.bare("key_frames", urls=urls, seconds=seconds),
                "opencv": lambda: site.bare("video_capture", urls=urls, seconds=seconds),
            },
        )
    finally:
        server.kill()
    found = compared("live.pyav", measured, ("ours", "pyav"), "tick", _PYAV, wanted_cpu=1 / 0.95)
    found += compared(
        "live.opencv", measured, ("ours", "opencv"), "tick", _OPENCV, wanted_cpu=1 / 6
    )
    return [one for one in found if one.name.endswith(".cpu")]


def _settings(urls: list[str], spool: Path) -> dict[str, object]:
    cameras = {f"live-{n}": {"source": {"kind": "rtsp", "url": url}} for n, url in enumerate(urls)}
    return {"cameras": cameras, "produce": {"spool": {"path": str(spool)}}}


def _producers(site: Site, line: Line, ticks: int) -> Work:
    site.forget(line, "produce", ["frames-raw"])
    return line.metered("produce", "produce", counter="onehertz_records_given_total", total=ticks)


def _write_clip(path: Path) -> None:
    street = StreetSource(
        seed=1, width=1920, height=1080, every_us=1_000_000 // _RATE, activity=0.8
    )
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "g": str(_RATE), "sc_threshold": "0", "bf": "0"}
        stream = container.add_stream("libx264", rate=_RATE, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number, frame in enumerate(islice(street.frames(), _CLIP_FRAMES)):
            picture = av.VideoFrame.from_ndarray(frame.load().pixels(), "bgr24")
            picture.pts, picture.time_base = number, Fraction(1, _RATE)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
