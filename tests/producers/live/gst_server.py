"""An RTSP server by GStreamer, as a program for Debian's own Python (it needs its `gi`).

`gst_server.py --check` says what is missing, on standard error. `gst_server.py PLAN` serves until
it is ended or its standard input is closed; it says "ready" once it can be reached. PLAN is JSON:

    {"port": 8554, "asks_for": null | "basic" | "digest", "user": …, "password": …,
     "streams": {"NAME": {"clip": "/….mkv or .ts", "codec": "h264" | "h265" | "mjpeg",
                          "shared": false, "transport": null | "tcp" | "udp"}}}

Each is at rtsp://127.0.0.1:PORT/NAME, in real time, from its first frame on for each that connects;
`shared`: all see the same moment. `transport`: the only one that is offered; null: both.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gi

for _name in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(_name, "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - as `gi` wants it

_PARTS = [
    "multifilesrc",
    "matroskademux",
    "tsdemux",
    "h264parse",
    "h265parse",
    "jpegparse",
    "rtph264pay",
    "rtph265pay",
    "rtpjpegpay",
]
# How a clip's packets are made ready for RTP.
_CHAINS = {
    # config-interval=-1: parameter sets before each key frame, as cameras send them.
    "h264": "h264parse config-interval=-1 ! rtph264pay pt=96",
    "h265": "h265parse config-interval=-1 ! rtph265pay pt=96",
    "mjpeg": "jpegparse ! rtpjpegpay pt=26",
}
_TRANSPORTS = {
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "udp": GstRtsp.RTSPLowerTrans.UDP,
}


def _missing() -> list[str]:
    return [part for part in _PARTS if Gst.ElementFactory.find(part) is None]


def _factory(stream: dict[str, Any]) -> GstRtspServer.RTSPMediaFactory:
    factory = GstRtspServer.RTSPMediaFactory()
    # Each that connects asks for the beginning; what can't be sought goes on for all of them.
    source = "multifilesrc" if stream["shared"] else "filesrc"
    demuxer = "tsdemux" if stream["clip"].endswith(".ts") else "matroskademux"
    chain = _CHAINS[stream["codec"]]
    factory.set_launch(f'( {source} location="{stream["clip"]}" ! {demuxer} ! {chain} name=pay0 )')
    factory.set_shared(stream["shared"])
    if stream["transport"] is not None:
        factory.set_protocols(_TRANSPORTS[stream["transport"]])
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)
    return factory


def _auth(plan: dict[str, Any]) -> GstRtspServer.RTSPAuth:
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    if plan["asks_for"] == "basic":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        basic = GstRtspServer.RTSPAuth.make_basic(plan["user"], plan["password"])
        auth.add_basic(basic, token)
    elif plan["asks_for"] == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(plan["user"], plan["password"], token)
    else:
        auth.set_default_token(token)
    return auth


def _serve(plan: dict[str, Any]) -> None:
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(plan["port"]))
    server.set_auth(_auth(plan))
    for name, stream in plan["streams"].items():
        server.get_mount_points().add_factory(f"/{name}", _factory(stream))
    if server.attach(None) == 0:
        raise SystemExit(f"port {plan['port']} is taken")
    loop = GLib.MainLoop()
    GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, lambda *_: loop.quit())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    loop.run()


if __name__ == "__main__":
    Gst.init(None)
    if _missing():
        raise SystemExit(f"GStreamer has no {', '.join(_missing())}")
    if sys.argv[1] != "--check":
        _serve(json.loads(sys.argv[1]))
