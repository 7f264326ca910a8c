"""The SQL sink as a process: what it makes of results that can't be read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from onehertz.look import Span, messages
from runtime.dead_letters import read_letter
from runtime.kafka import received
from runtime.sender import Sender
from schemas.codec import Wire, encode_frame
from schemas.messages import Inferred
from tests.fixtures.servers import Servers
from tests.harness.line import open_line
from tests.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.line]


def result(seq: int) -> Wire:
    at = datetime(2026, 11, 1, 12, 0, seq, tzinfo=UTC)
    record = Inferred(
        camera="yard", captured_at=at, run="r", seq=seq, model="m", boxes=(), because="first"
    )
    return encode_frame(record, "infer")


def test_a_result_that_cant_be_read_is_a_rejected_row_and_a_dead_letter(
    servers: Servers, tmp_path: Path
) -> None:
    broken = result(1)._replace(value=b'{"status":"inferred"')
    with open_line(servers, tmp_path, 3) as line:
        sender = Sender(line.settings.kafka)
        for wire in (result(0), broken, Wire(b"yard", b"noise", []), result(2)):
            sender.send(line.topic("detections"), wire)
        assert sender.flush(30) == 0
        line.start("sql")
        eventually(lambda: line.rows() == 3, within_s=60, why="three rows")
        line.terminate("sql-1")

        with line.connect() as connection:
            rows = connection.execute(
                "SELECT seq, status::text, reason FROM frames ORDER BY seq"
            ).fetchall()
        assert rows == [
            (0, "inferred", None),
            (1, "rejected", "malformed"),
            (2, "inferred", None),
        ]
        read = messages(line.settings.kafka, line.topic("detections-dlq"), 8, Span(True, False))
        letters = [read_letter(received(message)) for message in read]
        assert sorted(one.original.value for one in letters) == sorted([broken.value, b"noise"])
