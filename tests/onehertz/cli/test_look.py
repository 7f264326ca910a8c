"""The commands that look at what travels, on a real Kafka."""

from __future__ import annotations

import json
import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Message, Producer

from onehertz.cli.look import alerts, detections, dlq, frames
from onehertz.cli.rules import rules
from onehertz.look import Span, messages
from onehertz.settings import Settings
from runtime.dead_letters import Origin, dead_letter, read_letter
from runtime.errors import UserError
from runtime.kafka import reader, received, transactional_config
from runtime.reading import read_all
from runtime.sender import Sender
from runtime.settings import load
from runtime.topics import create_topics
from schemas.codec import Received, Wire, decode_result, encode_alert, encode_frame
from schemas.errors import InvalidMessage
from schemas.messages import (
    Alert,
    Box,
    Captured,
    Cleared,
    Inferred,
    Missing,
    Raised,
    Rejected,
    ResultRecord,
    Unchanged,
    frame_id,
    to_us,
)
from tests.fixtures.servers import Servers

pytestmark = pytest.mark.stack

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PERSON = Box(label="person", score=0.875, x1=0.25, y1=0.25, x2=0.5, y2=0.75)
STRANGER = Wire(b"stranger", b"hello", [("ce_type", b"com.example.hello")])
JPEG = b"\xff\xd8 no picture, but as one would be sent \xff\xd9"


class Line:
    """Topics of their own, with messages in them."""

    def __init__(self, settings: Settings, config: Path) -> None:
        self.settings = settings
        self.config = config
        self.sender = Sender(settings.kafka)

    def topic(self, name: str) -> str:
        return self.settings.line.topic(name)

    def send(self, name: str, *wires: Wire, partition: int = -1) -> None:
        for wire in wires:
            self.sender.send(self.topic(name), wire, partition=partition)
        assert self.sender.flush(30.0) == 0

    def ask(self, command: click.Command, *words: str) -> Result:
        return CliRunner().invoke(command, [*words, "--config", str(self.config)])

    def lines(self, command: click.Command, *words: str) -> list[str]:
        result = self.ask(command, *words)
        assert result.exception is None, result.output
        return result.stdout.splitlines()

    def on(self, name: str) -> list[tuple[int, Message]]:
        with closing(reader(self.settings.kafka)) as consumer:
            return [
                (partition, message)
                for partition in range(self.settings.line.partitions)
                for message in read_all(consumer, self.topic(name), partition)
            ]


@pytest.fixture
def line(servers: Servers, tmp_path: Path) -> Line:
    content: dict[str, Any] = {
        "kafka": {"bootstrap_servers": servers.bootstrap_servers},
        "line": {"prefix": f"look-{uuid.uuid4().hex[:8]}-", "partitions": 3},
    }
    config = tmp_path / "onehertz.yaml"
    config.write_text(json.dumps(content))
    settings = load(Settings, config, environment={}, overrides={})
    create_topics(settings.kafka, settings.line)
    return Line(settings, config)


def at(second: int) -> datetime:
    return T0 + timedelta(seconds=second)


def tick(second: int, camera: str = "north") -> dict[str, Any]:
    return {"camera": camera, "captured_at": at(second), "run": "r", "seq": second}


def inferred(second: int, *boxes: Box, camera: str = "north") -> Inferred:
    return Inferred(**tick(second, camera), model="m", boxes=boxes, because="changed")


def captured(second: int, camera: str = "north") -> Captured:
    return Captured(**tick(second, camera), width=320, height=240, jpeg=JPEG + bytes([second]))


def results() -> list[ResultRecord]:
    """A person for five seconds, of all kinds of ticks."""
    same_as = frame_id("north", to_us(at(1)))
    return [
        inferred(0),
        inferred(1, PERSON),
        *(Unchanged(**tick(second), same_as=same_as) for second in (2, 3, 4)),
        Missing(**tick(5), reason="unreachable"),
        Rejected(**tick(6), reason="undecodable", detail="cut off"),
        inferred(7),
        inferred(8),
    ]


def alert(kind: type[Alert], second: int, camera: str = "north", **more: Any) -> Wire:
    made = kind(
        id=f"r:{camera}",
        camera=camera,
        rule="r",
        at=at(second),
        began_at=at(0),
        frame=frame_id(camera, to_us(at(second))),
        text="somebody is there",
        boxes=(PERSON,),
        **more,
    )
    return encode_alert(made)  # type: ignore[arg-type] # one of its three kinds


# ---------------------------------------------------------------- alerts


def test_alerts_come_one_a_line_with_what_a_reader_needs(line: Line) -> None:
    line.send("alerts", alert(Raised, 3), alert(Cleared, 9, ended_at=at(9), late=True))
    raised, cleared = line.lines(alerts, "tail", "--from-beginning", "--no-follow")
    assert raised == "2026-11-20T12:00:03+00:00 raised   r on north: somebody is there"
    assert cleared == "2026-11-20T12:00:09+00:00 cleared  r on north: somebody is there (late)"


def test_alerts_as_json_are_the_payload_as_it_travels(line: Line) -> None:
    wire = alert(Raised, 3)
    line.send("alerts", wire)
    (printed,) = line.lines(alerts, "tail", "--from-beginning", "--no-follow", "--json")
    assert json.loads(printed) == json.loads(wire.value)


def test_alerts_of_one_camera_and_so_many_of_them(line: Line) -> None:
    for camera in ("north", "south"):
        line.send("alerts", *(alert(Raised, second, camera) for second in range(3)))
    words = ("tail", "--from-beginning", "--no-follow", "--camera", "south")
    assert len(line.lines(alerts, *words)) == 3
    two = line.lines(alerts, *words, "--count", "2")
    assert [text[:19] for text in two] == ["2026-11-20T12:00:00", "2026-11-20T12:00:01"]
    assert all("south" in text for text in two)


def test_what_is_no_alert_of_ours_is_told_aside_and_passed_over(line: Line) -> None:
    line.send("alerts", STRANGER, alert(Raised, 3))
    result = line.ask(alerts, "tail", "--from-beginning", "--no-follow")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    assert "not a record of ours" in result.stderr


def test_alerts_of_an_aborted_transaction_are_not_shown(line: Line) -> None:
    """And the tail ends, though the last offsets of the partition hold no message."""
    producer = Producer(transactional_config(line.settings.kafka, f"t-{uuid.uuid4().hex}"))
    producer.init_transactions(30.0)
    for second, finish in ((1, producer.commit_transaction), (2, producer.abort_transaction)):
        producer.begin_transaction()
        wire = alert(Raised, second)
        headers: Any = wire.headers
        producer.produce(line.topic("alerts"), wire.value, wire.key, 1, headers=headers)
        producer.flush(30.0)
        finish(30.0)
    (printed,) = line.lines(alerts, "tail", "--from-beginning", "--no-follow")
    assert printed.startswith("2026-11-20T12:00:01")


def test_without_from_beginning_and_without_follow_there_is_nothing_to_show(line: Line) -> None:
    line.send("alerts", alert(Raised, 3))
    assert line.lines(alerts, "tail", "--no-follow") == []


# ---------------------------------------------------------------- following


@pytest.fixture
def followed(line: Line) -> Iterator[Callable[[], Message]]:
    """What is read while it comes: each call gives the next message of `alerts`."""
    seen: queue.Queue[Message] = queue.Queue()
    reading = messages(line.settings.kafka, line.topic("alerts"), 3, Span(from_beginning=True))
    enough = threading.Event()

    def follow() -> None:
        for message in reading:
            seen.put(message)
            if enough.is_set():
                reading.close()  # type: ignore[attr-defined] # it is a generator
                return

    thread = threading.Thread(target=follow)
    thread.start()
    yield lambda: seen.get(timeout=60)
    enough.set()
    line.send("alerts", alert(Raised, 59))
    thread.join(60)
    assert not thread.is_alive()


def test_a_tail_goes_on_with_what_comes_later(line: Line, followed: Callable[[], Message]) -> None:
    for second in range(3):
        wire = alert(Raised, second)
        line.send("alerts", wire)
        assert followed().value() == wire.value


def test_a_tail_goes_on_after_the_broker_was_killed_and_came_back(
    line: Line, servers: Servers, followed: Callable[[], Message]
) -> None:
    line.send("alerts", alert(Raised, 1))
    followed()
    servers.restart_kafka()
    wire = alert(Raised, 2)
    line.send("alerts", wire)
    assert followed().value() == wire.value


# ---------------------------------------------------------------- detections


def test_detections_come_one_a_line(line: Line) -> None:
    line.send("detections", *(encode_frame(record, "infer") for record in results()))
    lines = line.lines(detections, "tail", "--from-beginning", "--no-follow")
    assert [text.split()[2] for text in lines] == [
        *("inferred", "inferred", "unchanged", "unchanged", "unchanged"),
        *("missing", "rejected", "inferred", "inferred"),
    ]
    assert lines[0].endswith("inferred  nothing")
    assert lines[1].endswith("person 0.88")
    assert lines[2].endswith(frame_id("north", to_us(at(1))))
    assert lines[5].endswith("unreachable")
    assert lines[6].endswith("undecodable")


def test_detections_as_json_are_what_was_sent_and_what_rules_replay_takes(
    line: Line, tmp_path: Path
) -> None:
    wires = [encode_frame(record, "infer") for record in results()]
    line.send("detections", *wires)
    lines = line.lines(detections, "tail", "--from-beginning", "--no-follow", "--json")
    assert [msgspec.json.decode(text, type=ResultRecord) for text in lines] == [
        decode_result(wire) for wire in _received(wires)
    ]
    recorded, rules_file = tmp_path / "day.jsonl", tmp_path / "rules.yaml"
    recorded.write_text("\n".join(lines))
    rule: dict[str, Any] = {
        "name": "r",
        "kind": "presence",
        "cameras": ["north"],
        "labels": ["person"],
    }
    rule |= {"for_s": 2, "clear_after_s": 0}
    rules_file.write_text(json.dumps({"rules": [rule]}))
    words = ["replay", "--rules", str(rules_file), "--detections", str(recorded)]
    result = CliRunner().invoke(rules, words)
    assert result.exception is None
    changes = [json.loads(text) for text in result.stdout.splitlines()]
    assert [change["change"] for change in changes] == ["raised", "cleared"]
    assert changes[0]["began_at"] == "2026-11-20T12:00:01Z"
    assert changes[0]["at"] == "2026-11-20T12:00:03Z"


def _received(wires: list[Wire]) -> list[Any]:
    return [Received(wire.key, wire.value, list(wire.headers)) for wire in wires]


def test_what_is_no_detection_of_ours_is_told_aside(line: Line) -> None:
    line.send("detections", STRANGER, encode_frame(inferred(0), "infer"))
    result = line.ask(detections, "tail", "--from-beginning", "--no-follow", "--json")
    assert len(result.stdout.splitlines()) == 1
    assert "not a record of ours" in result.stderr


def test_a_line_without_topics_is_told_what_to_do(line: Line) -> None:
    result = line.ask(detections, "tail", "--set", "line.prefix=nowhere-")
    assert isinstance(result.exception, UserError)
    assert "onehertz topics create" in str(result.exception)


# ---------------------------------------------------------------- frames


def test_frames_are_saved_byte_for_byte_by_their_capture_time(line: Line, tmp_path: Path) -> None:
    line.send("frames-raw", STRANGER, *(encode_frame(captured(n), "produce") for n in range(3)))
    line.send("frames-raw", encode_frame(captured(0, "south"), "produce"))
    line.send("frames-raw", encode_frame(Missing(**tick(3), reason="stalled"), "produce"))
    folder = tmp_path / "new" / "pictures"
    words = ("save", "--camera", "north", "--folder", str(folder))
    printed = line.lines(frames, *words, "--from-beginning", "--no-follow")
    names = [f"north-20261120T12000{n}.000000Z.jpg" for n in range(3)]
    assert [Path(text).name for text in printed] == names
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: JPEG + bytes([n]) for n, name in enumerate(names)
    }


def test_one_frame_is_found_by_its_id(line: Line, tmp_path: Path) -> None:
    line.send("frames-raw", *(encode_frame(captured(n), "produce") for n in range(3)))
    words = ("save", "--camera", "north", "--folder", str(tmp_path / "one"))
    wanted = frame_id("north", to_us(at(1)))
    (printed,) = line.lines(frames, *words, "--frame", wanted)
    assert Path(printed).read_bytes() == JPEG + b"\x01"


def test_a_frame_that_is_not_there_is_exit_code_1(line: Line, tmp_path: Path) -> None:
    line.send("frames-raw", encode_frame(captured(0), "produce"))
    words = ("save", "--camera", "north", "--folder", str(tmp_path / "none"))
    wanted = frame_id("north", to_us(at(1)))
    result = line.ask(frames, *words, "--frame", wanted)
    assert result.exit_code == 1
    assert wanted in result.stderr
    assert not (tmp_path / "none").exists()


def test_a_folder_that_can_not_be_written_is_told(line: Line, tmp_path: Path) -> None:
    line.send("frames-raw", encode_frame(captured(0), "produce"))
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "pictures")
    words = ("save", "--camera", "north", "--folder", folder, "--from-beginning", "--no-follow")
    result = line.ask(frames, *words)
    assert isinstance(result.exception, UserError)
    assert folder in str(result.exception)


# ---------------------------------------------------------------- dead letters


def letter(line: Line, partition: int, value: bytes, detail: str = "is cut off") -> Wire:
    """A dead letter of frames-raw; its original has a header of its own, twice."""
    origin = Origin(line.topic("frames-raw"), partition, 41)
    headers: list[tuple[str, bytes | None]] = [("trace", b"a"), ("trace", b"b"), ("ce_frame", b"?")]
    topic, wire = dead_letter(
        origin, b"north", value, headers, "gate", InvalidMessage("undecodable", detail)
    )
    assert topic == line.topic("frames-raw-dlq")
    return wire


def test_dead_letters_are_listed_with_origin_and_reason(line: Line) -> None:
    line.send("frames-raw-dlq", letter(line, 2, b"abc"), partition=2)
    (printed,) = line.lines(dlq, "list")
    assert printed == f"{line.topic('frames-raw')}[2]@41 undecodable: is cut off (by gate)"
    (as_json,) = line.lines(dlq, "list", "--json")
    assert json.loads(as_json) == {
        "topic": line.topic("frames-raw"),
        "partition": 2,
        "offset": 41,
        "stage": "gate",
        "reason": "undecodable",
        "detail": "is cut off",
        "key": "north",
        "bytes": 3,
    }


def test_what_is_no_dead_letter_is_told_aside(line: Line) -> None:
    line.send("detections-dlq", STRANGER)
    result = line.ask(dlq, "list")
    assert result.stdout == ""
    assert "no dead letter of ours on detections-dlq" in result.stderr


def test_replay_sends_each_back_to_its_partition_as_it_came(line: Line) -> None:
    line.send("frames-raw-dlq", letter(line, 2, b"abc"), letter(line, 0, b"xyz"))
    assert line.lines(dlq, "replay") == ["sent back: 2 dead letters"]
    back = [
        (partition, message.key(), message.value(), message.headers())
        for partition, message in line.on("frames-raw")
    ]
    headers = [("trace", b"a"), ("trace", b"b"), ("ce_frame", b"?")]
    assert back == [(0, b"north", b"xyz", headers), (2, b"north", b"abc", headers)]


def test_a_dry_run_sends_nothing(line: Line) -> None:
    line.send("frames-raw-dlq", letter(line, 2, b"abc"))
    assert line.lines(dlq, "replay", "--dry-run") == ["to be sent back: 1 dead letter"]
    assert line.on("frames-raw") == []


def test_only_those_with_the_reason_asked_for_are_sent_back(line: Line) -> None:
    line.send("frames-raw-dlq", letter(line, 2, b"abc"))
    assert line.lines(dlq, "replay", "--reason", "too-large") == ["sent back: 0 dead letters"]
    assert line.lines(dlq, "replay", "--reason", "undecodable") == ["sent back: 1 dead letter"]
    assert len(line.on("frames-raw")) == 1


def test_one_that_was_replayed_and_has_failed_again_is_sent_back_once(line: Line) -> None:
    line.send("frames-raw-dlq", letter(line, 2, b"abc"), partition=2)
    line.lines(dlq, "replay")
    ((partition, message),) = line.on("frames-raw")
    origin = Origin(line.topic("frames-raw"), partition, message.offset() or 0)
    raw = received(message)
    _, again = dead_letter(
        origin, raw.key, raw.value, raw.headers, "gate", InvalidMessage("undecodable", "still")
    )
    line.send("frames-raw-dlq", again, partition=2)
    assert len({read_letter(received(one)).detail for _, one in line.on("frames-raw-dlq")}) == 2
    assert line.lines(dlq, "replay") == ["sent back: 1 dead letter"]


# ---------------------------------------------------------------- help


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *((alerts, "tail"), (detections, "tail"), (frames, "save")),
        *((dlq, "list"), (dlq, "replay")),
    ],
)
def test_help_has_an_example(command: click.Command, name: str) -> None:
    output = CliRunner().invoke(command, [name, "--help"]).output
    assert f"Example: onehertz {command.name} {name}" in output
