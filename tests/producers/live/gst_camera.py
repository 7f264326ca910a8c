"""GStreamer's RTSP server as a camera for tests: B-frames, UDP, passwords, one moment for all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from tests.fixtures.gstreamer import PROGRAM, PYTHON
from tests.producers.live.http_camera import PASSWORD, USER
from tests.producers.live.rtsp_server import RtspProcess


@dataclass(frozen=True)
class Stream:
    """A clip (Matroska or MPEG-TS) as it is sent. `shared`: all see the same moment of it.

    `transport`: the only one that is offered; None: both.
    """

    clip: str
    codec: Literal["h264", "h265", "mjpeg"] = "h264"
    shared: bool = False
    transport: Literal["tcp", "udp"] | None = None


class GstServer(RtspProcess):
    """Streams by name, each at `url(name)`; USER and PASSWORD where it asks."""

    def __init__(
        self, streams: Mapping[str, Stream], asks_for: Literal["basic", "digest"] | None = None
    ) -> None:
        super().__init__()
        self._streams = streams
        self._asks_for = asks_for

    def url(self, name: str) -> str:
        return f"rtsp://127.0.0.1:{self.port}/{name}"

    def command(self) -> Sequence[str]:
        """See `RtspProcess`."""
        plan = {
            "port": self.port,
            "asks_for": self._asks_for,
            "user": USER,
            "password": PASSWORD,
            "streams": {name: asdict(stream) for name, stream in self._streams.items()},
        }
        return [PYTHON, str(PROGRAM), json.dumps(plan)]
