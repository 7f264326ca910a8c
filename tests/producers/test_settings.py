from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from onehertz.settings import Settings
from producers.settings import CameraKey, CameraSettings
from producers.source_settings import RtspSettings
from producers.sources.images import ImagesSource
from producers.sources.loop import LoopedSource
from producers.sources.registry import build_source
from producers.sources.street import StreetSource
from producers.sources.video import VideoSource
from runtime.errors import UserError
from runtime.settings import load

VIDEO = {"kind": "video", "path": "clip.mp4"}


def camera(**keys: Any) -> CameraSettings:
    return CameraSettings.model_validate({"source": VIDEO, **keys})


def test_a_camera_needs_its_source_alone() -> None:
    settings = camera()
    assert (settings.interval_us, settings.speed, settings.loop) == (1_000_000, 1.0, 1)


def test_settings_as_they_are_written_in_yaml() -> None:
    text = """
    source: {kind: video, path: clips/gate.mp4, start_s: 10, stop_s: 25.5}
    interval_s: 0.1
    start_at: 2026-03-01T12:00:00Z
    speed: null
    loop: 0
    gate: "off"
    longest_side: 640
    mask:
      - [[0, 0], [0.5, 0], [0.5, 0.25]]
    """
    settings = CameraSettings.model_validate(yaml.safe_load(text))
    assert settings.interval_us == 100_000
    assert str(settings.start_at) == "2026-03-01 12:00:00+00:00"
    assert settings.mask == (((0.0, 0.0), (0.5, 0.0), (0.5, 0.25)),)


@pytest.mark.parametrize(
    ("source", "loop", "built"),
    [
        (VIDEO, 1, VideoSource),
        ({"kind": "images", "path": "folder"}, 1, ImagesSource),
        ({"kind": "street"}, 1, StreetSource),
        (VIDEO, 3, LoopedSource),
        (VIDEO, 0, LoopedSource),
    ],
)
def test_each_kind_of_source_is_built_without_being_opened(
    source: dict[str, Any], loop: int, built: type
) -> None:
    assert type(build_source(camera(source=source, loop=loop))) is built


def test_pictures_and_streets_give_a_frame_per_tick_unless_told_otherwise() -> None:
    slow = build_source(camera(source={"kind": "street", "length_s": 60}, interval_s=10))
    assert [frame.media_time_us for frame in slow.frames()] == [k * 10_000_000 for k in range(6)]
    fast = {"kind": "street", "length_s": 60, "every_s": 0.5}
    assert len(list(build_source(camera(source=fast, interval_s=10)).frames())) == 120


@pytest.mark.parametrize(
    ("keys", "where", "what"),
    [
        ({"intervall_s": 1}, "intervall_s", "Extra inputs are not permitted"),
        ({"interval_s": 0.01}, "interval_s", "greater than or equal to 0.1"),
        ({"source": {"kind": "film"}}, "source", "'video', 'images', 'street'"),
        ({"source": {**VIDEO, "fps": 25}}, "fps", "Extra inputs are not permitted"),
        ({"source": {"kind": "video"}}, "path", "Field required"),
        ({"source": {**VIDEO, "start_s": 9, "stop_s": 5}}, "source", "stop_s (5) must be after"),
        ({"start_at": "yesterday"}, "start_at", "'now' or 'file'"),
        ({"start_at": "2026-03-01T12:00:00"}, "start_at", "timezone"),
        ({"start_at": "1970-01-01T00:00:00Z"}, "start_at", "before 2000"),
        ({"speed": 0}, "speed", "greater than 0"),
        ({"loop": -1}, "loop", "greater than or equal to 0"),
        ({"gate": "on"}, "gate", "'edge' or 'off'"),
        ({"jpeg_quality": 101}, "jpeg_quality", "less than or equal to 100"),
        ({"mask": [[[0, 0], [1, 1]]]}, "mask", "3 to"),
        ({"mask": [[[0, 0], [2, 0], [1, 1]]]}, "mask", "outside"),
        ({"mask": [[[0, 0], [1, 1], [1, 0], [0, 1]]]}, "mask", "cross"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(keys: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(ValidationError) as caught:
        camera(**keys)
    told = [
        (".".join(map(str, error["loc"])), error["msg"] + str(error.get("ctx", "")))
        for error in caught.value.errors()
    ]
    assert any(where in key and what in message for key, message in told), told


def test_every_key_is_described() -> None:
    def undescribed(schema: dict[str, Any]) -> list[str]:
        models = [schema, *schema.get("$defs", {}).values()]
        return [
            key
            for model in models
            for key, field in model.get("properties", {}).items()
            if "description" not in field and "const" not in field
        ]

    assert undescribed(CameraSettings.model_json_schema()) == []


@pytest.mark.parametrize("key", ["gate-1", "a", "Cam.2_b", "x" * 64])
def test_a_camera_key_is_one_that_the_line_can_carry(key: str) -> None:
    assert TypeAdapter(CameraKey).validate_python(key) == key


@pytest.mark.parametrize("key", ["", "-a", "a b", "a/b", "a@b", "x" * 65])
def test_a_camera_key_that_the_line_can_not_carry_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(CameraKey).validate_python(key)


def live(**keys: Any) -> RtspSettings:
    source = camera(source={"kind": "rtsp", "url": "rtsp://10.0.0.7/main", **keys}).source
    assert isinstance(source, RtspSettings)
    return source


@pytest.mark.parametrize(
    ("keys", "address"),
    [
        ({}, "rtsp://10.0.0.7/main"),
        ({"user": "me", "password": "a/b@c:d"}, "rtsp://me:a%2Fb%40c%3Ad@10.0.0.7/main"),
        ({"url": "rtsp://me:a%40b@10.0.0.7:554/x?y=1"}, "rtsp://me:a%40b@10.0.0.7:554/x?y=1"),
        ({"url": "rtsp://me:old@10.0.0.7/x", "password": "new"}, "rtsp://me:new@10.0.0.7/x"),
        ({"stream": "sub", "sub_url": "rtsp://10.0.0.7/sub"}, "rtsp://10.0.0.7/sub"),
        ({"stream": "sub", "sub_url": "rtsp://me:pw@10.0.0.7/sub"}, "rtsp://me:pw@10.0.0.7/sub"),
        (
            {"stream": "sub", "sub_url": "rtsp://10.0.0.7/sub", "user": "me", "password": "pw"},
            "rtsp://me:pw@10.0.0.7/sub",
        ),
    ],
)
def test_user_and_password_belong_to_the_stream_that_is_taken(
    keys: dict[str, Any], address: str
) -> None:
    assert live(**keys).address() == address


def test_a_password_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("p w\n")
    source = live(user="me", password_file=str(tmp_path / "secret"))
    assert source.address() == "rtsp://me:p%20w@10.0.0.7/main"


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"url": "http://10.0.0.7/x"}, "is no address such as rtsp://"),
        ({"url": "rtsp:///x"}, "is no address such as rtsp://"),
        ({"url": "rtsp://me:s3cret@10.0.0.7:99999/x"}, "its port must be a number"),
        ({"stream": "sub"}, "no sub_url is given"),
        ({"password": "s3cret", "password_file": "x"}, "keep one"),
    ],
)
def test_a_wrong_address_is_told_with_its_key_and_without_its_password(
    tmp_path: Path, keys: dict[str, Any], complaint: str
) -> None:
    source = {"kind": "rtsp", "url": "rtsp://10.0.0.7/main", **keys}
    config = tmp_path / "onehertz.yaml"
    config.write_text(yaml.safe_dump({"cameras": {"door": {"source": source}}}))
    with pytest.raises(UserError) as caught:
        load(Settings, config, environment={}, overrides={})
    assert complaint in str(caught.value)
    assert "cameras.door" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("key", [{"speed": 4}, {"loop": 0}, {"start_at": "file"}])
def test_what_is_for_recordings_is_refused_for_live_cameras(key: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="is for recordings, not for a rtsp source"):
        camera(source={"kind": "rtsp", "url": "rtsp://10.0.0.7/main"}, **key)
