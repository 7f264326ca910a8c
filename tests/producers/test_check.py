"""A camera is tried once: what is found, and what is advised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import pytest
from click.testing import CliRunner

from onehertz.cli.main import cli
from producers.check import Checked, advice_on, check
from producers.settings import CameraSettings
from tests.producers.clips import write_clip
from tests.producers.live.http_camera import HttpCamera
from tests.producers.live.rtsp_server import RtspServer


def camera(**keys: Any) -> CameraSettings:
    return CameraSettings.model_validate({"source": {"kind": "street"}, **keys})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    folder = tmp_path_factory.mktemp("clips")
    for name, codec, gop in (("often", "libx264", 10), ("rare", "libx265", 50)):
        write_clip(
            folder / f"{name}.mp4", range(500), Fraction(1, 25), codec, gop=gop, fixed_gop=True
        )
    server = RtspServer(folder)
    server.start()
    yield server
    server.kill()


def test_an_rtsp_camera_tells_its_codec_rate_and_key_frames(server: RtspServer) -> None:
    settings = camera(source={"kind": "rtsp", "url": server.url("often.mp4")})
    found, encoded = check("door", settings, 3.0)
    assert encoded is not None
    assert (found.reachable, found.codec, found.width, found.height) == (True, "h264", 160, 96)
    assert found.fps == pytest.approx(25, rel=0.2)
    assert found.key_interval_s == pytest.approx(0.4, rel=0.3)
    assert found.jpeg_bytes == len(encoded.jpeg)
    assert found.uplink_kbit_s == pytest.approx(len(encoded.jpeg) * 8 / 1000, abs=0.1)
    assert found.advice == []


def test_rare_key_frames_are_advised_against(server: RtspServer) -> None:
    settings = camera(source={"kind": "rtsp", "url": server.url("rare.mp4")}, interval_s=0.5)
    found, _ = check("door", settings, 5.0)
    assert (found.codec, found.key_interval_s) == ("hevc", pytest.approx(2, rel=0.3))
    assert "I-frame interval to 0.5 s" in found.advice[0]


def test_recordings_and_snapshots_are_tried_too(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", range(20), Fraction(1, 10))
    found, _ = check("a", camera(source={"kind": "video", "path": str(path)}), 1.0)
    assert (found.reachable, found.width, found.fps) == (True, 160, None)
    with HttpCamera() as http:
        source = {"kind": "snapshot", "url": f"http://{http.place}/snapshot.jpg"}
        found, _ = check("b", camera(source=source), 1.0)
    assert (found.reachable, found.codec, found.key_interval_s) == (True, "mjpeg", None)


def test_what_is_wrong_is_told_with_a_hint_and_without_the_password() -> None:
    source = {"kind": "rtsp", "url": "rtsp://viewer:s3cret@127.0.0.1:1/stream"}
    found, encoded = check("door", camera(source=source), 1.0)
    assert encoded is None
    assert not found.reachable
    assert found.reason == "refused: nobody listens at that port"
    assert found.advice == ["look at the address: host, port and path"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    found, _ = check("a", camera(source={"kind": "video", "path": str(tmp_path / "no.mp4")}), 1.0)
    assert "does not exist" in (found.reason or "")


@pytest.mark.parametrize(
    ("found", "keys", "advised"),
    [
        ({"width": 3840, "height": 2160}, {}, "set longest_side: 1280"),
        (
            {"width": 3840, "height": 2160},
            {"source": {"kind": "rtsp", "url": "rtsp://h/a"}},
            "use the sub-stream",
        ),
        ({"fps": 0.5}, {}, "sends 0.5 frames a second"),
        ({"width": 1920, "height": 1080, "fps": 25.0, "key_interval_s": 1.0}, {}, None),
        ({}, {"gate": "edge", "signature": True}, "leave signature out"),
        ({}, {"gate": "edge"}, None),
    ],
)
def test_advice_is_given_where_something_costs(
    found: dict[str, Any], keys: dict[str, Any], advised: str | None
) -> None:
    advice = advice_on(Checked("a", "rtsp", True, **found), camera(**keys))
    if advised is None:
        assert advice == []
    else:
        assert advised in advice[0]


def test_the_command_prints_a_line_for_each_camera_and_saves_what_it_saw(tmp_path: Path) -> None:
    config = tmp_path / "onehertz.yaml"
    bad = {"source": {"kind": "rtsp", "url": "rtsp://viewer:s3cret@127.0.0.1:1/x"}}
    config.write_text(json.dumps({"cameras": {"good": {"source": {"kind": "street"}}, "bad": bad}}))
    command = ["produce", "--check", "--config", str(config)]
    saved = ["--thumbnails", str(tmp_path / "seen")]
    done = CliRunner().invoke(cli, [*command, *saved, "--json"])
    assert done.exit_code == 1
    lines = {line["camera"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert (lines["good"]["reachable"], lines["bad"]["reachable"]) == (True, False)
    assert cv2.imread(lines["good"]["thumbnail"]) is not None
    table = CliRunner().invoke(cli, [*command, "--camera", "good"])
    assert table.exit_code == 0
    assert "640x480" in table.stdout
    assert "s3cret" not in done.output + table.output


def test_of_landed_videos_the_newest_is_tried(tmp_path: Path) -> None:
    landed = {"kind": "landed", "path": str(tmp_path), "name_time": "%Y%m%d_%H%M"}

    def reason() -> str | None:
        return check("a", camera(source=landed), 1.0)[0].reason

    assert reason() == "no file has landed there, of those that `files` names"
    write_clip(tmp_path / "holiday.mp4", range(4), Fraction(1))
    assert reason() == "holiday.mp4: its name holds no time as name_time has it"
    write_clip(tmp_path / "20260301_0800.mp4", range(4), Fraction(1))
    found, encoded = check("a", camera(source=landed), 1.0)
    assert found.reachable
    assert encoded is not None
    landed["path"] = str(tmp_path / "nowhere")
    assert "is no folder, or not there now" in (reason() or "")
