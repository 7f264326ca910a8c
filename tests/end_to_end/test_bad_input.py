"""Broken frames, wrong clocks and messages of others: the line goes on, and nothing is skipped."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from onehertz.look import Span, messages
from onehertz.processes import RoleProcess
from runtime.dead_letters import read_letter
from runtime.kafka import now_us, received
from runtime.sender import Sender
from schemas.codec import Wire, encode_frame
from schemas.messages import Captured, from_us
from tests.fixtures.assets import FetchedAssets
from tests.fixtures.servers import Servers
from tests.harness.compare import broken_promises
from tests.harness.faults import run
from tests.harness.line import Line, Role, open_line

pytestmark = [pytest.mark.stack, pytest.mark.line]

TICKS = 12
START_US = now_us() // 1_000_000 * 1_000_000 - 3600 * 1_000_000
DETECTOR = ("ssd-mobilenetv2-oidv4", "ssd-mobilenetv2-oidv4-labels")


def picture(width: int = 320, height: int = 240) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3))
    large = cv2.resize(pixels.astype(np.uint8), (width, height))
    return bytes(cv2.imencode(".jpg", large)[1])


def claims_to_be(jpeg: bytes, width: int, height: int) -> bytes:
    """The JPEG with another size in its frame header (SOF0): a decompression bomb's looks."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def tick(camera: str, seq: int, jpeg: bytes, ahead: timedelta = timedelta()) -> Captured:
    at = from_us(START_US + seq * 1_000_000) + ahead
    return Captured(
        camera=camera, captured_at=at, run="r", seq=seq, width=320, height=240, jpeg=jpeg
    )


# camera → what is sent in place of its tick 5, and what becomes of that tick
BROKEN = {
    "truncated": (picture()[:2000], "undecodable"),
    "one-pixel": (picture(1, 1), "too-small"),
    "huge": (claims_to_be(picture(), 20_000, 20_000), "too-large"),
    "empty": (b"", "undecodable"),
    "no-picture": (b"<html>401 Unauthorized</html>", "undecodable"),
}


@pytest.fixture(scope="module")
def line(
    servers: Servers, assets: FetchedAssets, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Line]:
    """A line that has taken good cameras, broken ones, and messages that are none of ours."""
    for name in DETECTOR:
        assets.need(name)
    cameras = ["good", "wrong-clock", *BROKEN]
    rows = len(cameras) * TICKS + 1  # the tick of the wrong clock is one of its own
    with open_line(servers, tmp_path_factory.mktemp("bad"), rows) as opened:
        _send(opened, cameras)
        roles: tuple[Role, ...] = ("gate", "infer", "sql", "alerts")
        for role in roles:
            opened.start(role)
        run(opened)
        yield opened


def _send(line: Line, cameras: list[str]) -> None:
    sender = Sender(line.settings.kafka)
    topic = line.topic("frames-raw")
    for seq in range(TICKS):
        for camera in cameras:
            jpeg, _ = BROKEN.get(camera, (b"", "")) if seq == 5 else (picture(), "")
            wire = encode_frame(tick(camera, seq, jpeg or picture()), "produce")
            if seq == 5 and camera in BROKEN:
                wire = wire._replace(value=jpeg)
            sender.send(topic, wire)
    wrong = msgspec.structs.replace(tick("wrong-clock", 0, picture()), run="reset", seq=0)
    ahead = from_us(now_us() + 2 * 3600 * 1_000_000)
    sender.send(topic, encode_frame(msgspec.structs.replace(wrong, captured_at=ahead), "produce"))
    sender.send(topic, Wire(b"stranger", b"hello", [("ce_type", b"com.example.hello")]))
    sender.send(topic, Wire(b"stranger", b"hello", []))
    assert sender.flush(30.0) == 0


def test_cameras_beside_a_broken_one_have_all_their_ticks(line: Line) -> None:
    with line.connect() as connection:
        rows = connection.execute(
            "SELECT status::text, count(*) FROM frames WHERE camera = 'good' GROUP BY status"
        ).fetchall()
    assert sum(count for _, count in rows) == TICKS
    assert {status for status, _ in rows} <= {"inferred", "unchanged"}


@pytest.mark.parametrize("camera", BROKEN)
def test_a_broken_frame_is_rejected_with_its_reason_and_the_camera_goes_on(
    line: Line, camera: str
) -> None:
    with line.connect() as connection:
        rows = connection.execute(
            "SELECT seq, status::text, reason FROM frames WHERE camera = %s ORDER BY seq", [camera]
        ).fetchall()
    assert [seq for seq, _, _ in rows] == list(range(TICKS))
    assert [row for row in rows if row[1] == "rejected"] == [(5, "rejected", BROKEN[camera][1])]


def test_a_frame_from_a_clock_two_hours_ahead_is_rejected_and_does_not_blind_the_camera(
    line: Line,
) -> None:
    with line.connect() as connection:
        rows = connection.execute(
            "SELECT run, count(*), count(*) FILTER (WHERE reason = 'clock') FROM frames"
            " WHERE camera = 'wrong-clock' GROUP BY run ORDER BY run"
        ).fetchall()
    assert rows == [("r", TICKS, 0), ("reset", 1, 1)]


def test_every_message_that_could_not_be_used_is_a_dead_letter_as_it_came(line: Line) -> None:
    topic = line.topic("frames-raw-dlq")
    span = Span(from_beginning=True, follow=False)
    read = messages(line.settings.kafka, topic, line.settings.line.partitions, span)
    letters = [read_letter(received(message)) for message in read]
    reasons = sorted(letter.reason for letter in letters)
    assert reasons == sorted(
        ["missing-header", "missing-header", *(reason for _, reason in BROKEN.values())]
    )
    originals = {letter.original.value for letter in letters}
    assert originals == {b"hello", *(jpeg for jpeg, _ in BROKEN.values())}


def test_verify_has_nothing_to_say_against_it(line: Line) -> None:
    assert broken_promises(line) == []


def test_a_database_that_is_not_there_is_named_and_no_password_is_shown(
    line: Line, tmp_path: Path
) -> None:
    settings = {
        "kafka": {"bootstrap_servers": line.settings.kafka.bootstrap_servers},
        "line": {"prefix": line.settings.line.prefix},
        "sql": {"dsn": "postgresql://me:hunter2@127.0.0.1:9/onehertz"},
    }
    config = tmp_path / "onehertz.yaml"
    config.write_text(json.dumps(settings))
    role = RoleProcess("sql", ["sink", "sql", "--config", str(config)], tmp_path)
    role.start()
    assert role.process.wait(60) == 1
    told = role.last_lines()
    assert "127.0.0.1:9" in told
    assert "hunter2" not in told
    assert "Traceback" not in told
