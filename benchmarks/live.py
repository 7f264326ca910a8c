"""The producers on live RTSP cameras, 1080p25 H.264 with a key frame a second, a tick a second.

Against a bare loop of PyAV that decodes key frames alone and encodes them, and against OpenCV's
`VideoCapture.read()` on the same streams. All are as fast as the cameras: CPU per tick is what
counts. The cameras are a server of its own, whose CPU is in none of the figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.video.frame import PictureType
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

_SETTLE_S = 4  # connecting, and the frames that come at once then, are in none of the figures
_RATE = 25
_BITS_PER_S = "4000000"  # what a camera is set to at this size
_REAL_VIDEO = Path(__file__).parents[2] / "shared/data/videos/intel_one_by_one_person.mp4"
_CLIP_FRAMES = 10 * _RATE
_PYAV = "bare PyAV loop on the same streams: key frames decoded, made JPEG"
_OPENCV = "OpenCV's VideoCapture.read() on the same streams, a JPEG a second"


def run(site: Site, rounds: int) -> list[Result]:
    """CPU per tick, against each of the two loops."""
    folder = site.folder / "cameras"
    folder.mkdir()
    print(f"live: cameras show {_write_clip(folder / 'camera.mp4')}")
    server = RtspServer(folder)
    server.start()
    try:
        urls = [server.url("camera.mp4")] * CAMERAS
        seconds = site.sized(SECONDS)
        line = site.line("live", _settings(urls, site.folder / "spool"))
        measured = interleaved(
            rounds,
            {
                "ours": lambda: _producers(site, line, (_SETTLE_S + seconds) * CAMERAS),
                "pyav": lambda: site.bare(
                    "key_frames", urls=urls, settle_s=_SETTLE_S, seconds=seconds
                ),
                "opencv": lambda: site.bare(
                    "video_capture", urls=urls, settle_s=_SETTLE_S, seconds=seconds
                ),
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
    return line.metered(
        "produce",
        "produce",
        counter="onehertz_records_given_total",
        total=ticks,
        # Two ticks a second: looking as often as elsewhere would cost 10 ms of each.
        interval_s=2.0,
        after=_SETTLE_S * CAMERAS,
    )


def _write_clip(path: Path) -> str:
    """10 s as a camera sends them, with a key frame a second; of what they were made."""
    told, pictures = _pictures()
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "g": str(_RATE), "sc_threshold": "0", "bf": "0"}
        options |= {"b": _BITS_PER_S, "maxrate": _BITS_PER_S, "bufsize": _BITS_PER_S}
        stream = container.add_stream("libx264", rate=_RATE, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number, picture in enumerate(islice(pictures, _CLIP_FRAMES)):
            frame = picture.reformat(1920, 1080, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, _RATE)
            frame.pict_type = PictureType.NONE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return told


def _pictures() -> tuple[str, Iterator[av.VideoFrame]]:
    if _REAL_VIDEO.exists():
        return _REAL_VIDEO.name, _decoded(_REAL_VIDEO)
    street = StreetSource(
        seed=1, width=1920, height=1080, every_us=1_000_000 // _RATE, activity=0.8
    )
    made = (av.VideoFrame.from_ndarray(one.load().pixels(), "bgr24") for one in street.frames())
    return "the synthetic street: no ../shared/data here", made


def _decoded(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        yield from container.decode(video=0)
