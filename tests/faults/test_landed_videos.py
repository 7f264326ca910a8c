"""Videos that land in a folder and in a bucket while the producer is killed: each tick once."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from onehertz.look import Span, messages
from producers.landed.ledger import read_ledger
from runtime.kafka import received
from schemas.codec import decode_raw
from schemas.messages import RawRecord
from tests.fixtures.servers import Servers
from tests.harness.line import Line, open_line
from tests.producers.clips import write_clip
from tests.producers.landed.s3_server import BUCKET, SECRET_KEY, s3_server
from tests.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.line]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILE_S = 40
NAME_TIME = "%Y-%m-%d_%H-%M-%S"
SECONDS_PER_S = 20.0


def name_of(number: int) -> str:
    begins = NOON + number * timedelta(seconds=FILE_S)
    return f"{begins.strftime(NAME_TIME)}.mp4"


def raw_records(line: Line) -> list[RawRecord]:
    """All of frames-raw, repeats too."""
    topic = line.settings.line.topic("frames-raw")
    span = Span(from_beginning=True, follow=False)
    partitions = line.settings.line.partitions
    found = messages(line.settings.kafka, topic, partitions, span)
    return [decode_raw(received(message)) for message in found]


def first_occurrences(records: list[RawRecord]) -> list[RawRecord]:
    found: dict[tuple[str, str, int], RawRecord] = {}
    for one in records:
        found.setdefault((one.camera, one.run, one.seq), one)
    return list(found.values())


def done(ledger: Path, camera: str) -> int:
    entries = read_ledger(ledger).get(camera, [])
    return sum(entry.status == "done" for entry in entries)


def test_each_tick_of_each_file_comes_once_though_the_producer_is_killed_in_mid_file(
    servers: Servers, tmp_path: Path
) -> None:
    folder, ledger = tmp_path / "landed", tmp_path / "ledger"
    folder.mkdir()
    clip = write_clip(tmp_path / "clip.mp4", range(FILE_S), Fraction(1), gop=4)
    with s3_server() as s3:
        queue = s3.queue("landed")
        common = {"name_time": NAME_TIME, "settle_s": 0.0, "speed": SECONDS_PER_S}
        door = {"kind": "landed", "path": str(folder), "look_every_s": 0.2, **common}
        yard = {"kind": "s3", "bucket": BUCKET, "prefix": "yard/", "queue_url": queue, **common}
        yard |= s3.login() | {"look_every_s": 3600}
        overrides = {
            "cameras": {"door": {"source": door}, "yard": {"source": yard}},
            "produce": {"ledger": str(ledger)},
        }
        with open_line(servers, tmp_path, 0, overrides) as line:
            line.start("produce")
            eventually(lambda: (ledger / "ledger.sqlite3").exists(), 60, why="it has begun")
            for number in range(3):
                s3.put(f"yard/{name_of(number)}", clip.read_bytes())
                shutil.copy(clip, folder / name_of(number))
            for wanted in (15, FILE_S + 25):
                eventually(
                    lambda wanted=wanted: (
                        sum(  # type: ignore[misc]
                            one.camera == "yard" for one in raw_records(line)
                        )
                        >= wanted
                    ),
                    60,
                    why="it is in the middle of a file",
                )
                line.kill("produce-1")
                line.restart("produce-1")
            for camera in ("door", "yard"):
                eventually(lambda camera=camera: done(ledger, camera) == 3, 60)  # type: ignore[misc]
            eventually(lambda: s3.waiting(queue) == 0, 30, why="the queue is empty")
            line.terminate_all()
            records = raw_records(line)
            log = line.processes["produce-1"].log.read_text()
    for camera in ("door", "yard"):
        ticks = first_occurrences([one for one in records if one.camera == camera])
        assert [one.captured_at for one in ticks] == [
            NOON + timedelta(seconds=second) for second in range(3 * FILE_S)
        ]
        assert [one.seq for one in ticks] == [*range(FILE_S)] * 3
        assert len({one.run for one in ticks}) == 3
        assert all(one.captured_at < other.captured_at for one, other in pairwise(ticks))
    assert SECRET_KEY not in log
    assert SECRET_KEY not in repr(records)
