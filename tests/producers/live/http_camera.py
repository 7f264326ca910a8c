"""An HTTP camera for tests: snapshots and MJPEG, with or without a password."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import cv2

from tests.producers.clips import numbered

USER, PASSWORD = "viewer", "p@ss/w:rd"
_REALM, _NONCE = "camera", "0a1b2c3d"


def jpeg(number: int) -> bytes:
    done, data = cv2.imencode(".jpg", numbered(number))
    assert done
    return data.tobytes()


class HttpCamera:
    """`/snapshot.jpg` and `/video.mjpg`; each picture has the next number. To be used by `with`."""

    def __init__(self, asks_for: Literal["basic", "digest"] | None = None) -> None:
        self.asks_for = asks_for
        self.every_s = 0.05  # between two pictures of the stream
        self.answer: bytes | None = None  # instead of pictures
        self.status = 200
        self.sent: list[bytes] = []
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._closed = threading.Event()

        class Handler(_Handler):
            camera = self

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> HttpCamera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thaw()
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def freeze(self) -> None:
        """Connections stay open, and nothing comes."""
        self._goes_on.clear()

    def thaw(self) -> None:
        self._goes_on.set()

    def next_picture(self) -> bytes:
        self._goes_on.wait()
        picture = jpeg(len(self.sent) % 1024) if self.answer is None else self.answer
        self.sent.append(picture)
        return picture

    def over(self) -> bool:
        return self._closed.wait(self.every_s)

    def lets_in(self, method: str, path: str, authorization: str) -> bool:
        if self.asks_for is None:
            return True
        if self.asks_for == "basic":
            expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            return authorization == f"Basic {expected}"
        told = dict(re.findall(r'(\w+)="?([^",]+)"?', authorization.removeprefix("Digest ")))
        return told.get("response") == _digest(method, told.get("uri", path), told)

    @property
    def challenge(self) -> str:
        kinds = {
            "basic": f'Basic realm="{_REALM}"',
            "digest": f'Digest realm="{_REALM}", nonce="{_NONCE}", qop="auth"',
        }
        return kinds[self.asks_for or "basic"]


def _digest(method: str, uri: str, told: dict[str, str]) -> str:
    """RFC 2617, 3.2.2.1, with qop=auth."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - what the protocol has

    who, what = md5(f"{USER}:{_REALM}:{PASSWORD}"), md5(f"{method}:{uri}")
    return md5(":".join([who, _NONCE, told.get("nc", ""), told.get("cnonce", ""), "auth", what]))


class _Handler(BaseHTTPRequestHandler):
    camera: HttpCamera
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        try:
            self._answer()
        except OSError:
            self.close_connection = True  # who asked has gone

    def _answer(self) -> None:
        camera = self.camera
        if not camera.lets_in("GET", self.path, self.headers.get("authorization", "")):
            self._head(401, {"www-authenticate": camera.challenge, "content-length": "0"})
        elif camera.status != 200:
            self._head(camera.status, {"content-length": "0"})
        elif self.path == "/snapshot.jpg":
            picture = camera.next_picture()
            self._head(200, {"content-type": "image/jpeg", "content-length": str(len(picture))})
            self.wfile.write(picture)
        elif self.path == "/video.mjpg":
            self._stream()
        else:
            self._head(404, {"content-length": "0"})

    def _stream(self) -> None:
        kind = "multipart/x-mixed-replace; boundary=frame"
        self._head(200, {"content-type": kind, "connection": "close"})
        self.close_connection = True
        while not self.camera.over():
            picture = self.camera.next_picture()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            self.wfile.write(head.encode() + picture + b"\r\n")

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return
