"""Real servers on 127.0.0.1 for the assets' tests: files with all the faults of a network."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from tarfile import TarInfo
from tarfile import open as open_tar
from types import TracebackType
from typing import Self
from urllib.parse import unquote


@dataclass
class Request:
    path: str
    range: str | None


@dataclass
class FileServer:
    """Serves `files` by path, with Range; the other fields are its faults."""

    files: dict[str, bytes] = field(default_factory=dict)
    # How many body bytes each request to come gives before the connection is cut; then all.
    cuts: list[int] = field(default_factory=list)
    knows_ranges: bool = True
    says_length: bool = True
    redirects: dict[str, str] = field(default_factory=dict)
    # Called after the headers and the first `cuts` bytes, before the connection is cut.
    before_cut: Callable[[], object] = lambda: None
    requests: list[Request] = field(default_factory=list)
    sent_bytes: int = 0

    def __enter__(self) -> Self:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self))
        self._http.daemon_threads = False  # server_close waits for them
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}{path}"

    def requested(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, server: FileServer, *arguments: object) -> None:
        self._files = server
        super().__init__(*arguments)  # type: ignore[arg-type]  # passed through as they came

    def do_GET(self) -> None:
        files = self._files
        path = unquote(self.path)
        files.requests.append(Request(path, self.headers.get("Range")))
        if path in files.redirects:
            self.send_response(302)
            self.send_header("Location", files.redirects[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in files.files:
            self._send(files.files[path])
        else:
            self.send_error(404)

    def _send(self, content: bytes) -> None:
        files = self._files
        start = 0
        asked = self.headers.get("Range")
        if asked and files.knows_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content) > 0:
            self.send_error(416)
            return
        self.send_response(206 if asked and files.knows_ranges else 200)
        is_page = self.path.endswith("/")  # pip insists on the type of an index page
        content_type = "text/html" if is_page else "application/octet-stream"
        self.send_header("Content-Type", content_type)
        if asked and files.knows_ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if files.says_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        cut = files.cuts.pop(0) if files.cuts else None
        sent = body if cut is None else body[:cut]
        files.sent_bytes += len(sent)
        self.wfile.write(sent)
        self.wfile.flush()
        if cut is not None:
            files.before_cut()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """The requests are kept; nothing is printed."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tarball(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with open_tar(fileobj=out, mode="w:gz") as tar:
        for name, content in members.items():
            entry = TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def serve_npm_package(server: FileServer, package: str, version: str, content: bytes) -> None:
    """What `npm pack` asks a registry for: the package's document and its tarball."""
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    dist = {"tarball": server.url(f"/npm/{package}.tgz"), "integrity": f"sha512-{digest}"}
    entry = {"name": package, "version": version, "dist": dist}
    document = {
        "name": package,
        "dist-tags": {"latest": version},
        "versions": {version: entry},
    }
    server.files[f"/{package}"] = json.dumps(document).encode()
    server.files[f"/npm/{package}.tgz"] = content


def wheel(package: str, version: str, members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    info = f"{package}-{version}.dist-info"
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return out.getvalue()


def serve_wheel(server: FileServer, package: str, version: str, content: bytes) -> None:
    """What `pip download` asks an index for: the project's page and the wheel."""
    name = f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
    server.files[f"/wheels/{name}"] = content
    server.files[f"/simple/{package}/"] = f'<a href="/wheels/{name}">{name}</a>'.encode()


def serve_deb(server: FileServer, package: str, content: bytes) -> None:
    """A flat apt repository with one package."""
    server.files[f"/./{package}.deb"] = content
    server.files["/./Packages"] = (
        f"Package: {package}\nVersion: 1\nArchitecture: all\nFilename: ./{package}.deb\n"
        f"Size: {len(content)}\nSHA256: {sha256(content)}\nDescription: a test\n\n"
    ).encode()
