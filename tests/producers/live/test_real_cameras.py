"""RTSP cameras as they are met: TCP and UDP, passwords, outages, changes in mid-stream.

The counterpart is GStreamer's server, a process of its own.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import pytest
from av.video.stream import VideoStream

from producers.check import check
from producers.live import ticks
from producers.live.arrivals import Arrival
from producers.sources import stream
from producers.sources.base import SourceError
from schemas.messages import Captured, Missing
from tests.producers.clips import number_in, numbered, write_clip
from tests.producers.live.conftest import Watch
from tests.producers.live.gst_camera import GstServer, Stream
from tests.producers.live.http_camera import PASSWORD, USER
from tests.producers.live.watching import (
    READ_TIMEOUT_S,
    Traced,
    Watched,
    assert_gap_free,
    camera,
    last_are,
    live,
    reasons,
    shown,
    source_of,
    ticks_of,
)
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("gstreamer")

SECRET = "s3cret-w0rd"
BEAT = Fraction(1, 25)
BEFORE = 25  # frames of the first size
BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])
Serve = Callable[..., GstServer]


class EveryTime:
    """A demand that never ends."""

    def wait(self) -> bool:
        return True


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("clips")
    often = write_clip(
        folder / "often.mkv", range(700), BEAT, "libx264", b_frames=2, gop=5, fixed_gop=True
    )
    # One key frame, and then none for 40 s.
    once = write_clip(folder / "once.mkv", range(1000), BEAT, "libx264", gop=1000, fixed_gop=True)
    return {
        "often": str(often),
        "once": str(once),
        "jpegs": str(write_clip(folder / "jpegs.mkv", range(100), BEAT, "mjpeg")),
        "resized": str(write_resized(folder / "resized.ts", BEFORE, 300)),
    }


def write_resized(path: Path, before: int, after: int) -> Path:
    """So many frames of 160x96, then so many of 320x192, in one stream; a key frame every five."""
    options = {"bf": "0", "g": "5", "x264-params": "scenecut=0:log-level=none"}
    with av.open(str(path), "w") as container:
        sent = container.add_stream("libx264", rate=25, options=options)
        assert isinstance(sent, VideoStream)
        larger = av.CodecContext.create("libx264", "w")
        for codec, width, numbers in (
            (sent.codec_context, 160, range(before)),
            (larger, 320, range(before, before + after)),
        ):
            codec.width, codec.height, codec.pix_fmt = width, width * 3 // 5, "yuv420p"
            codec.time_base, codec.framerate, codec.options = BEAT, 1 / BEAT, options
            for number in (*numbers, None):
                frame = None
                if number is not None:
                    image = numbered(number, codec.width, codec.height)
                    frame = av.VideoFrame.from_ndarray(image, "bgr24")
                    frame.pts, frame.time_base = number, BEAT
                for packet in codec.encode(frame):
                    packet.stream = sent
                    container.mux(packet)
    return path


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server; at the end of the test it ends too."""
    servers: list[GstServer] = []

    def begin(
        streams: Mapping[str, Stream], asks_for: Literal["basic", "digest"] | None = None
    ) -> GstServer:
        servers.append(GstServer(streams, asks_for))
        servers[-1].start()
        return servers[-1]

    yield begin
    for server in servers:
        server.kill()


def first(url: str, count: int = 10, **keys: Any) -> list[Arrival]:
    with closing(source_of(camera(url, **keys)).arrivals(EveryTime())) as arrivals:
        return list(itertools.islice(filter(None, arrivals), count))


def failure(url: str, **keys: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        first(url, **keys)
    return caught.value


def readers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.endswith(" reader")]


# ---------------------------------------------------------------- transports


@BOTH
def test_frames_come_by_the_transport_that_is_set(
    transport: Any, serve: Serve, clips: dict[str, str]
) -> None:
    server = serve({"door": Stream(clips["often"], transport=transport)})
    whole = [one for one in first(server.url("door"), 30, transport=transport) if one.whole]
    assert [number_in(one.load().pixels()) for one in whole] == [0, 5, 10, 15, 20, 25]


@BOTH
def test_a_camera_that_does_not_send_by_it_refuses_and_says_what_to_do(
    transport: Any, serve: Serve, clips: dict[str, str]
) -> None:
    server = serve({"door": Stream(clips["often"], transport=transport)})
    other = {"tcp": "udp", "udp": "tcp"}[transport]
    found = failure(server.url("door"), transport=other)
    assert str(found) == "refused: the camera does not send by this transport: try the other"


def test_a_cameras_own_jpegs_are_passed_on(serve: Serve, clips: dict[str, str]) -> None:
    server = serve({"door": Stream(clips["jpegs"], "mjpeg")})
    pictures = [one.load() for one in first(server.url("door"), 5)]
    assert all(picture.jpeg is not None for picture in pictures)
    assert [number_in(picture.pixels()) for picture in pictures] == [0, 1, 2, 3, 4]


# ---------------------------------------------------------------- passwords


@pytest.mark.parametrize("asks_for", ["basic", "digest"])
def test_who_may_see_it_is_let_in_and_nobody_else(
    asks_for: Any, serve: Serve, clips: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve({"door": Stream(clips["often"])}, asks_for)
    url = server.url("door")
    assert first(url, user=USER, password=PASSWORD)
    for keys in ({"user": USER, "password": SECRET}, {"user": SECRET, "password": PASSWORD}, {}):
        found = failure(url, **keys)
        assert found.reason == "wrong-password"
        assert SECRET not in str(found)
    absent = failure(server.url("absent"), user=USER, password=PASSWORD)
    assert str(absent) == "refused: the camera has no stream of that path"
    assert SECRET not in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("asks_for", ["basic", "digest"])
def test_ticks_of_a_camera_whose_password_is_wrong_say_so_and_no_secret(
    asks_for: Any,
    serve: Serve,
    clips: dict[str, str],
    watch: Watch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve({"door": Stream(clips["often"])}, asks_for)
    watched = watch(live(server.url("door"), user=USER, password=SECRET))
    watched.until(last_are("missing", 3))
    assert reasons(watched.records) == {"wrong-password"}
    assert SECRET not in repr(watched.records)
    assert "door: wrong-password" in caplog.text
    assert SECRET not in caplog.text


# ---------------------------------------------------------------- outages


@BOTH
def test_a_camera_that_is_killed_and_comes_back_has_missing_ticks_in_between(
    transport: Any, serve: Serve, clips: dict[str, str], watch: Watch
) -> None:
    server = serve({"door": Stream(clips["often"])})
    watched = watch(live(server.url("door"), transport=transport))
    watched.until(last_are("captured", 3))
    server.kill()
    watched.until(last_are("missing", 3))
    server.start()
    watched.until(last_are("captured", 3))
    assert_gap_free(watched.records)
    assert "refused" in reasons(watched.records)
    assert reasons(watched.records) <= {"unreachable", "refused", "stalled"}


@BOTH
def test_a_camera_that_freezes_is_stalled_and_goes_on_when_it_thaws(
    transport: Any, serve: Serve, clips: dict[str, str], watch: Watch
) -> None:
    server = serve({"door": Stream(clips["often"])})
    watched = watch(live(server.url("door"), transport=transport, connect_timeout_s=0.6))
    watched.until(last_are("captured", 3))
    server.freeze()
    watched.until(last_are("missing", 4))
    server.thaw()
    watched.until(last_are("captured", 3))
    assert_gap_free(watched.records)
    first_missing = next(one for one in watched.records if isinstance(one, Missing))
    assert first_missing.reason == "stalled"


def test_a_camera_that_changes_its_size_goes_on_with_the_new_one(
    serve: Serve, clips: dict[str, str], watch: Watch
) -> None:
    server = serve({"door": Stream(clips["resized"])})
    watched = watch(live(server.url("door")))
    watched.until(lambda records: len(records) >= 12)
    assert_gap_free(watched.records)
    captured = [one for one in watched.records if isinstance(one, Captured)]
    assert len(captured) == len(watched.records)
    sizes = [(one.width, one.height) for one in captured]
    assert list(dict.fromkeys(sizes)) == [(160, 96), (320, 192)]
    assert all((shown(one) >= BEFORE) is (one.width == 320) for one in captured)


# ---------------------------------------------------------------- no key frame in sight


@pytest.fixture
def midway(serve: Serve, clips: dict[str, str], watch: Watch) -> str:
    """The address of a stream whose last key frame has gone by, and the next one is far."""
    server = serve({"door": Stream(clips["once"], shared=True)})
    watch(live(server.url("door"))).until(last_are("captured", 1))
    return server.url("door")


def test_before_its_first_key_frame_a_camera_has_missing_ticks(
    midway: str, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks, "BEGIN_WITHIN_S", 0.5)
    watched = watch(live(midway))
    why = "what comes is of no use before the next key frame"
    watched.until(lambda records: bool(records) and getattr(records[-1], "detail", "") == why)
    assert_gap_free(watched.records)
    assert reasons(watched.records) == {"stalled"}


def test_a_check_of_it_ends_in_time_and_says_what_is_wrong(midway: str) -> None:
    before = time.monotonic()
    found, encoded = check("door", camera(midway), 0.5)
    assert time.monotonic() - before < 5
    assert encoded is None
    assert found.reason == "stalled: frames come, and no key frame in 1 s"
    assert found.advice == ["set the camera's I-frame interval to that of the ticks"]


def test_its_connection_ends_with_its_ticks(midway: str) -> None:
    before = readers()
    settings = camera(midway, read_timeout_s=30)
    source = Traced(source_of(settings))
    watched = Watched(ticks_of(source, settings))
    (reader,) = set(readers()) - set(before)
    eventually(lambda: source.useless)
    watched.close()
    assert not reader.is_alive()


# ---------------------------------------------------------------- the end


def test_the_connection_to_a_frozen_camera_ends_within_its_time_out(
    serve: Serve, clips: dict[str, str]
) -> None:
    server = serve({"door": Stream(clips["often"])})
    watched = Watched(live(server.url("door")))
    watched.until(last_are("captured", 2))
    (reader,) = readers()
    server.freeze()
    before = time.monotonic()
    watched.close()
    eventually(lambda: not reader.is_alive(), 10)
    assert time.monotonic() - before < READ_TIMEOUT_S + 4


# ---------------------------------------------------------------- devices that decode


@pytest.mark.parametrize("kind", ["cuda", "vaapi"])
def test_where_no_such_device_is_the_cpu_decodes_and_that_is_told_once(
    kind: str, serve: Serve, clips: dict[str, str], watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    stream.tell_of_cpu.cache_clear()
    server = serve({"door": Stream(clips["often"])})
    for _ in range(2):
        watch(live(server.url("door"), hwaccel=kind)).until(last_are("captured", 3))
    told = [one.getMessage() for one in caplog.records if "CPU" in one.getMessage()]
    assert told == [f"no {kind} device decodes h264 here: decoding on the CPU"]
