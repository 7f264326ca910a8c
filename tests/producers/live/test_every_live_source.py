"""What every live source promises (`producers.live.arrivals.LiveSource`), held by each of them."""

from __future__ import annotations

import itertools
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from producers.live.arrivals import Arrival, LiveSource
from producers.live.ticks import monotonic_us
from producers.settings import CameraSettings
from producers.sources.base import SourceError
from producers.sources.registry import build_live
from tests.producers.clips import HEIGHT, WIDTH, number_in, write_clip
from tests.producers.live.http_camera import PASSWORD, USER, HttpCamera
from tests.producers.live.rtsp_server import RtspServer

SECRET = "s3cret-w0rd"
INTERVAL_S = 0.2
KINDS = ("rtsp h264", "rtsp h265", "mjpeg", "snapshot")


class Refusing(socketserver.BaseRequestHandler):
    """Answers whatever it is asked with the status of its server."""

    def handle(self) -> None:
        while b"\r\n\r\n" not in self.request.recv(4096):
            continue
        self.request.sendall(f"RTSP/1.0 {self.server.status}\r\nCSeq: 1\r\n\r\n".encode())


class EveryTime:
    """A demand that never ends."""

    def wait(self) -> bool:
        return True


class Camera:
    """A counterpart that runs, and how it is told to be in one state or another."""

    def __init__(self, kind: str, place: str, freeze: Callable[[], None]) -> None:
        self.kind = kind
        self.place = place
        self.freeze = freeze

    def source(self, place: str | None = None, **keys: Any) -> LiveSource:
        """The product's source for it; `place`: host and port, and who asks if need be."""
        place = place or self.place
        addresses = {
            "rtsp h264": f"rtsp://{place}/h264.mp4?play_count=0",
            "rtsp h265": f"rtsp://{place}/h265.mp4?play_count=0",
            "mjpeg": f"http://{place}/video.mjpg",
            "snapshot": f"http://{place}/snapshot.jpg",
        }
        settings = CameraSettings.model_validate(
            {
                "source": {
                    "kind": self.kind.split()[0],
                    "url": addresses[self.kind],
                    "connect_timeout_s": 10,
                    "read_timeout_s": 10,
                    **keys,
                },
                "interval_s": INTERVAL_S,
            }
        )
        return build_live(settings.source, settings.interval_us, monotonic_us)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, codec in (("h264", "libx264"), ("h265", "libx265")):
        write_clip(
            folder / f"{name}.mp4", range(250), Fraction(1, 25), codec, gop=5, fixed_gop=True
        )
    return folder


@pytest.fixture(params=KINDS)
def camera(request: pytest.FixtureRequest, clips: Path) -> Iterator[Camera]:
    kind: str = request.param
    if kind.startswith("rtsp"):
        server = RtspServer(clips)
        server.start()
        yield Camera(kind, f"127.0.0.1:{server.port}", server.freeze)
        server.kill()
        return
    with HttpCamera() as http:
        yield Camera(kind, http.place, http.freeze)


def first(source: LiveSource, count: int) -> list[Arrival]:
    with closing(source.arrivals(EveryTime())) as arrivals:
        return list(itertools.islice(filter(None, arrivals), count))


def exhaust(arrivals: Iterable[Arrival | None]) -> None:
    for _ in arrivals:
        continue


def failure(source: LiveSource) -> SourceError:
    with pytest.raises(SourceError) as caught:
        exhaust(source.arrivals(EveryTime()))
    return caught.value


def test_frames_come_in_the_order_of_their_times_and_can_be_loaded(camera: Camera) -> None:
    arrivals = [one for one in first(camera.source(), 30) if one.whole]
    assert len(arrivals) > 3
    times = [arrival.arrived_us for arrival in arrivals]
    assert times == sorted(times)
    pictures = [arrival.load() for arrival in arrivals]
    assert {(picture.width, picture.height) for picture in pictures} == {(WIDTH, HEIGHT)}
    numbers = [number_in(picture.pixels()) for picture in pictures]
    assert numbers == sorted(set(numbers))


def test_a_picture_may_be_painted_on(camera: Camera) -> None:
    (arrival,) = [one for one in first(camera.source(), 1) if one.whole]
    picture = arrival.load()
    picture.pixels()[:] = 0
    assert picture.pixels().any()


def test_a_cameras_own_jpeg_is_passed_on(camera: Camera) -> None:
    (arrival, *_) = first(camera.source(), 1)
    jpeg = arrival.load().jpeg
    if camera.kind.startswith("rtsp"):
        assert jpeg is None
        return
    assert jpeg is not None
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert number_in(np.asarray(image, np.uint8)) == 0


def test_it_can_be_connected_to_again(camera: Camera) -> None:
    source = camera.source()
    for _ in range(3):
        assert first(source, 2)


def test_where_nobody_listens_it_is_refused(camera: Camera) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"viewer:{SECRET}@127.0.0.1:{nobody.getsockname()[1]}"
        found = failure(camera.source(place))
    assert found.reason == "refused"
    assert SECRET not in str(found)


def test_a_host_that_does_not_answer_is_unreachable_in_time(camera: Camera) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)  # the kernel takes connections, and nobody says a word
        place = f"viewer:{SECRET}@127.0.0.1:{silent.getsockname()[1]}"
        source = camera.source(place, connect_timeout_s=0.5, read_timeout_s=0.5)
        before = time.monotonic()
        found = failure(source)
    assert found.reason in ("unreachable", "stalled")
    assert time.monotonic() - before < 10
    assert SECRET not in str(found)


def test_a_name_that_nobody_has_is_unreachable(camera: Camera) -> None:
    found = failure(camera.source(f"viewer:{SECRET}@nobody.invalid:8554"))
    assert found.reason == "unreachable"
    assert SECRET not in str(found)


def test_a_camera_that_falls_silent_is_stalled(camera: Camera) -> None:
    source = camera.source(read_timeout_s=0.5)
    with closing(source.arrivals(EveryTime())) as arrivals:
        assert next(arrivals)
        camera.freeze()
        with pytest.raises(SourceError) as caught:
            exhaust(arrivals)
    assert caught.value.reason == "stalled"


def test_a_path_that_the_camera_does_not_have_is_refused(camera: Camera) -> None:
    scheme = "rtsp" if camera.kind.startswith("rtsp") else "http"
    absent = camera.source(url=f"{scheme}://{camera.place}/absent")
    assert failure(absent).reason == "refused"


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "453 Not Enough Bandwidth", "503 Service Unavailable"]
)
def test_an_rtsp_camera_that_can_serve_no_more_refuses(status: str) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusing) as server:
        server.status = status
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        camera = Camera("rtsp h264", f"127.0.0.1:{server.server_address[1]}", server.shutdown)
        found = failure(camera.source())
        server.shutdown()
        thread.join()
    assert found.reason == "refused"


@pytest.mark.parametrize("kind", ["mjpeg", "snapshot"])
@pytest.mark.parametrize("asks_for", ["basic", "digest"])
def test_user_and_password_are_given_where_they_are_asked_for(kind: str, asks_for: Any) -> None:
    with HttpCamera(asks_for) as http:
        camera = Camera(kind, http.place, http.freeze)
        assert first(camera.source(user=USER, password=PASSWORD), 3)
        wrong = failure(camera.source(user=USER, password=SECRET))
        assert wrong.reason == "wrong-password"
        assert SECRET not in str(wrong)
        assert failure(camera.source()).reason == "wrong-password"


@pytest.mark.parametrize("kind", ["mjpeg", "snapshot"])
def test_a_picture_that_is_none_is_undecodable(kind: str) -> None:
    with HttpCamera() as http:
        http.answer = b"<html>the camera is starting</html>"
        camera = Camera(kind, http.place, http.freeze)
        with pytest.raises(SourceError, match="undecodable"):
            first(camera.source(read_timeout_s=0.5), 1)[0].load()


def test_a_device_that_is_not_there_is_unreachable() -> None:
    settings = CameraSettings.model_validate(
        {"source": {"kind": "webcam", "device": "/dev/video-nobody-has"}}
    )
    assert failure(build_live(settings.source, 1, monotonic_us)).reason == "unreachable"
