"""No password of a camera or a broker gets into anything that a producer writes or shows.

Each secret has a part of its own, which no way of quoting changes: that part is looked for.
Not looked at: the settings and the password files themselves, and what is sent to the cameras.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from onehertz.look import Span, messages
from tests.fixtures.servers import Servers
from tests.harness.line import Line, open_line
from tests.harness.proxy import Proxy
from tests.producers.clips import write_clip
from tests.producers.live import http_camera
from tests.producers.live.http_camera import USER, HttpCamera
from tests.producers.live.rtsp_server import RtspServer
from tests.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.line]

INTERVAL_S = 0.5
NOBODY = "127.0.0.1:1"  # nothing listens there
Cameras = dict[str, dict[str, Any]]


class Secrets:
    """Hands out secrets, and finds them again."""

    def __init__(self) -> None:
        self._parts: dict[str, str] = {}  # the part of its own → what it is of
        self._encoded: dict[str, str] = {}

    def new(self, of: str) -> str:
        """One that has to be quoted in an address."""
        part = uuid.uuid4().hex
        self._parts[part] = of
        secret = f"p@{part}/: %ü"
        for user in (USER, ""):
            self._encoded[base64.b64encode(f"{user}:{secret}".encode()).decode()[8:-8]] = of
        return secret

    def quoted(self, of: str) -> str:
        """One as an address has it."""
        return quote(self.new(of), safe="")

    def plain(self, of: str) -> str:
        """One without a character that would have to be quoted."""
        return self.new(of)[2:34]

    def within(self, content: bytes) -> set[str]:
        """Of what the secrets are that are found there."""
        text = content.decode("utf-8", "replace").lower()
        found = {of for part, of in self._parts.items() if part in text}
        return found | {of for part, of in self._encoded.items() if part.encode() in content}


class Yard:
    """Cameras of every network kind, with and without success."""

    def __init__(self, secrets: Secrets, folder: Path, rtsp: RtspServer) -> None:
        """`folder`: for files with passwords."""
        self._secrets = secrets
        self._folder = folder
        self._rtsp = rtsp

    def file(self, of: str) -> dict[str, str]:
        path = self._folder / f"{of}.secret"
        path.write_text(self._secrets.new(of) + "\n")
        return {"user": USER, "password_file": str(path)}

    def cameras(self, basic: HttpCamera, digest: HttpCamera) -> Cameras:
        """`basic`, `digest`: cameras that ask for `http_camera.PASSWORD`."""
        new, quoted, plain = self._secrets.new, self._secrets.quoted, self._secrets.plain
        right = http_camera.PASSWORD
        place = f"127.0.0.1:{self._rtsp.port}"
        sources = {
            "rtsp-url": rtsp(self._rtsp.url("a.mp4", f"{USER}:{quoted('rtsp-url')}@127.0.0.1")),
            "rtsp-password": rtsp(f"{self._rtsp.url('a.mp4')}&token={plain('rtsp-query')}",
                                  user=USER, password=new("rtsp-password")),
            "rtsp-sub": rtsp(f"rtsp://{USER}:{quoted('rtsp-main')}@{NOBODY}/main", stream="sub",
                             sub_url=self._rtsp.url("a.mp4", f"x:{quoted('rtsp-sub')}@127.0.0.1")),
            "rtsp-path": rtsp(f"rtsp://{place}/{plain('rtsp-path')}", **self.file("rtsp-file")),
            "rtsp-refused": rtsp(f"rtsp://{USER}:{quoted('rtsp-refused')}@{NOBODY}/a"),
            "rtsp-name": rtsp(f"rtsp://{USER}:{quoted('rtsp-name')}@nowhere.invalid/a"),
            "rtsps-not": rtsp(f"rtsps://{USER}:{quoted('rtsps-not')}@{basic.place}/a"),
            "mjpeg-right": mjpeg(f"http://{basic.place}", user=USER, password=right),
            "mjpeg-wrong": mjpeg(f"http://{USER}:{quoted('mjpeg-wrong')}@{basic.place}"),
            "mjpeg-digest": mjpeg(f"http://{digest.place}", **self.file("mjpeg-digest")),
            "mjpeg-refused": mjpeg(f"http://{NOBODY}", user=USER, password=new("mjpeg-refused")),
            "snapshot-right": snapshot(f"http://{digest.place}", f"token={plain('query')}",
                                       user=USER, password=right),
            "snapshot-url": snapshot(f"http://{USER}:{quote(right, safe='')}@{basic.place}"),
            "snapshot-wrong": snapshot(f"http://{USER}:{quoted('snapshot-wrong')}@{digest.place}"),
            "snapshot-file": snapshot(f"http://{basic.place}", **self.file("snapshot-file")),
            "snapshot-refused": snapshot(f"http://{NOBODY}", f"pwd={plain('refused-query')}",
                                         user=USER, password=new("snapshot-refused")),
            "snapshot-name": snapshot(f"http://{USER}:{quoted('name')}@nowhere.invalid"),
            "snapshot-tls": snapshot(f"https://{USER}:{quoted('tls')}@{basic.place}"),
        }  # fmt: skip
        return {
            name: {"source": source, "interval_s": INTERVAL_S} for name, source in sources.items()
        }

    def broken(self) -> Iterator[dict[str, Any]]:
        """Sources that are refused, each for another reason."""
        new, quoted = self._secrets.new, self._secrets.quoted
        url = f"http://{USER}:{quoted('broken')}@127.0.0.1:99999/snapshot.jpg"
        yield {"kind": "snapshot", "url": url}
        yield {"kind": "snapshot", "url": f"ftp://{USER}:{quoted('broken')}@127.0.0.1/"}
        yield {"kind": "snapshot", "url": f"http://{USER}:{new('broken')}@[::1/snapshot.jpg"}
        yield {"kind": "snapshot", "url": {"http": new("broken")}}
        yield snapshot(f"http://{NOBODY}", password=[new("broken")])
        yield snapshot(f"http://{NOBODY}", pasword=new("broken"))
        yield snapshot(f"http://{NOBODY}", password=new("broken"), **self.file("broken"))
        yield {"kind": "snapshoot", "url": f"http://{USER}:{quoted('broken')}@{NOBODY}/"}
        yield {"kind": "rtsp", "url": f"rtsp://{NOBODY}/", "sub_url": new("broken")}

    def no_yaml(self) -> str:
        words = [
            f'password: "{self._secrets.plain("no YAML")}',
            f"url: @{self._secrets.plain('at')}",
        ]
        return "\n".join(["", *words, ""])


def rtsp(url: str, **more: Any) -> dict[str, Any]:
    return {"kind": "rtsp", "url": url, "connect_timeout_s": 2, **more}


def mjpeg(place: str, **more: Any) -> dict[str, Any]:
    return {"kind": "mjpeg", "url": f"{place}/video.mjpg", **more}


def snapshot(place: str, query: str = "", **more: Any) -> dict[str, Any]:
    url = f"{place}/snapshot.jpg{'?' if query else ''}{query}"
    return {"kind": "snapshot", "url": url, "connect_timeout_s": 2, **more}


class Run:
    """A producer with such cameras, and all that it has said, written and shown so far."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.seen: dict[str, bytes] = {}
        self.settings: list[bytes] = []  # that were written
        self._settings = json.loads(line.config.read_text())

    def look(self) -> None:
        """At what the running process shows: metrics, health, its title and its threads' names."""
        process = self.line.processes["produce-1"]
        port = process.process.args[-1].rpartition("=")[2]  # type: ignore[union-attr,index]
        for path in ("metrics", "healthz", "readyz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
                self.seen[path] = answer.read()
        proc = Path(f"/proc/{process.process.pid}")
        self.seen["cmdline"] = (proc / "cmdline").read_bytes()
        self.seen["environ"] = (proc / "environ").read_bytes()  # none was given by it
        self.seen["threads"] = b"\n".join(p.read_bytes() for p in proc.glob("task/*/comm"))

    def log(self) -> str:
        return self.line.log_of("produce-1")

    def says(self, *words: str) -> None:
        for word in words:
            eventually(lambda word=word: word in self.log(), 60, why=f"it says {word!r}")

    def command(self, *words: str, config: Path | None = None) -> None:
        """Runs a command on the same settings, or others, and keeps what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "onehertz", *words, "--config", config or self.line.config],
            capture_output=True,
            check=False,
            timeout=120,
        )
        said = done.stdout + done.stderr
        assert said, words
        self.seen[f"{' '.join(words)} {len(self.seen)}"] = said

    def edit(self, cameras: Mapping[str, Any]) -> None:
        self.write(json.dumps(self._settings | {"cameras": cameras}))

    def write(self, text: str) -> None:
        self.settings.append(text.encode())
        new = self.line.config.with_suffix(".new")
        new.write_text(text)
        new.rename(self.line.config)

    def keep_files(self, folder: Path) -> None:
        """What it wrote: its log, and the records on disk."""
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix not in (".secret", ".yaml", ".new", ".mp4"):
                self.seen[str(path.relative_to(folder))] = path.read_bytes()

    def keep_topics(self) -> int:
        """What the broker has of it; how many messages."""
        line, span = self.line.settings.line, Span(from_beginning=True, follow=False)
        name = line.topic("frames-raw")
        kept = [
            b"\n".join([m.key() or b"", m.value() or b"", repr(m.headers()).encode()])
            for m in messages(self.line.settings.kafka, name, line.partitions, span)
        ]
        self.seen["frames-raw"] = b"\n".join(kept)
        return len(kept)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    secrets = Secrets()
    monkeypatch.setattr(http_camera, "PASSWORD", secrets.new("the cameras' own"))
    return secrets


def test_no_secret_gets_into_what_a_producer_says_writes_and_shows(
    servers: Servers, tmp_path: Path, secrets: Secrets
) -> None:
    write_clip(tmp_path / "a.mp4", range(100), Fraction(1, 25), "libx264", gop=5, fixed_gop=True)
    with ExitStack() as opened:
        proxy = opened.enter_context(Proxy(servers.bootstrap_servers))
        basic = opened.enter_context(HttpCamera("basic"))
        digest = opened.enter_context(HttpCamera("digest"))
        server = RtspServer(tmp_path)
        server.start()
        opened.callback(server.kill)
        yard = Yard(secrets, tmp_path, server)
        cameras = yard.cameras(basic, digest)
        overrides = {
            "cameras": cameras,
            "log": {"level": "debug"},
            "kafka": {
                "bootstrap_servers": proxy.address,
                "sasl_username": USER,
                "sasl_password": secrets.new("kafka"),
            },
            "produce": {"spool": {"path": str(tmp_path / "spool")}},
        }
        line = opened.enter_context(open_line(servers, tmp_path, 0, overrides))
        run = Run(line)
        untouched = tmp_path / "untouched.yaml"
        shutil.copy(line.config, untouched)
        with ThreadPoolExecutor(1) as meanwhile:
            check = ("produce", "--check", "--json")
            checked = meanwhile.submit(run.command, *check, config=untouched)
            _go_through_it(run, yard, proxy, cameras)
            checked.result()
        run.keep_files(tmp_path)
        assert run.keep_topics() > 3 * len(cameras)
    leaks = [
        f"{place}: {said[:300]!r} has {secrets.within(said)}"
        for place, content in run.seen.items()
        for said in content.splitlines()
        if secrets.within(said)
    ]
    assert not leaks, "\n".join(leaks)
    (shown,) = (said for command, said in run.seen.items() if "--json" in command)
    assert cameras.keys() == {
        json.loads(one)["camera"] for one in shown.splitlines() if one[:1] == b"{"
    }
    # They would have been found:
    assert secrets.within(quote(http_camera.PASSWORD).encode()) == {"the cameras' own"}
    assert "broken" in secrets.within(b"".join(run.settings))


def _go_through_it(run: Run, yard: Yard, proxy: Proxy, cameras: Cameras) -> None:
    run.line.start("produce")
    run.says("user or password is wrong", "nobody listens at that port", "has no stream")
    run.command("config", "check")
    run.look()
    run.edit(cameras | {f"broken-{n}": {"source": one} for n, one in enumerate(yard.broken())})
    run.command("config", "check")
    run.says("stays in force")
    run.write(run.line.config.read_text() + yard.no_yaml())
    run.command("config", "check")
    run.says("not YAML")
    changed = {name: {**camera, "jpeg_quality": 80} for name, camera in cameras.items()}
    run.edit(changed)
    run.says("its settings have changed")
    proxy.refuse()
    proxy.cut()
    process = run.line.processes["produce-1"]
    kept = "onehertz_spooled_ticks"
    eventually(lambda: process.metrics().get(kept, 0) > len(cameras), 60, why="records on disk")
    run.look()
    run.line.kill("produce-1")
    run.keep_files(run.line.config.parent)
    for path in list(run.seen):
        if path.startswith("spool"):
            run.seen[f"full {path}"] = run.seen.pop(path)
    proxy.accept()
    run.line.restart("produce-1")
    eventually(lambda: process.metrics().get(kept, -1) == 0, 60, why="the disk is emptied")
    run.line.terminate_all()
