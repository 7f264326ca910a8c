"""A camera's spool of old frames comes all at once, in a partition that it shares with another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from producers.sources.street import StreetSource
from runtime.sender import Sender
from schemas.codec import decode_result, encode_frame
from schemas.messages import Kept
from tests.faults.conftest import NewLine
from tests.harness.faults import records, run
from tests.harness.line import Line
from tests.harness.load import Load
from tests.harness.observed import messages
from vision.jpeg import encode_bgr

FLOOD, EACH = 400, 6
BESIDE = [f"beside-{number}" for number in range(1, 8)]  # each in a partition of its own
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


def frames(camera: str, count: int) -> Iterator[Kept]:
    picture = encode_bgr(StreetSource(seed=28, width=320, height=240).render(0), 80)
    for seq in range(count):
        at = BEGAN + timedelta(seconds=seq)
        yield Kept(
            camera=camera, captured_at=at, run="a", seq=seq, width=320, height=240, jpeg=picture,
            because="changed", score=9.0, raw_offset=seq,
        )  # fmt: skip


def flooded(line: Line) -> list[str]:
    """The cameras, in the order in which the worker let their results out.

    All lies there before it starts: first the flood, behind it in its partition another camera.
    """
    sender = Sender(line.settings.kafka)
    cameras = [("flood", FLOOD, 0), ("behind", EACH, 0)]
    cameras += [(name, EACH, number) for number, name in enumerate(BESIDE, start=1)]
    for camera, count, partition in cameras:
        for frame in frames(camera, count):
            wire = encode_frame(frame, "gate")
            sender.send(line.topic("frames-gated"), wire, partition=partition)
    assert sender.flush(30.0) == 0
    line.start("infer")
    run(line, until=records("detections", FLOOD + EACH * (1 + len(BESIDE))))
    line.terminate_all()
    results = [decode_result(at.message) for at in messages(line, "detections")]
    results.sort(key=lambda record: (record.stages["infer"][1], record.seq))
    return [record.camera for record in results]


def before_last(cameras: list[str], of: set[str]) -> int:
    """How many of the flood's frames went before the last frame of those cameras."""
    last = max(number for number, camera in enumerate(cameras) if camera in of)
    return cameras[:last].count("flood")


def test_who_shares_a_floods_partition_waits_until_it_is_read_and_no_longer(
    new_line: NewLine, load: Load
) -> None:
    cameras = flooded(new_line())
    # Taking turns, six rounds are over after six of the flood's frames, and those that were
    # inferred before the others had been read.
    assert before_last(cameras, {"behind", *BESIDE}) < FLOOD / 3


def test_a_flood_that_a_worker_has_no_room_for_holds_up_its_own_partition_alone(
    new_line: NewLine, load: Load
) -> None:
    cameras = flooded(new_line(infer={"max_in_flight": 64}))
    assert before_last(cameras, set(BESIDE)) < FLOOD / 2
    assert before_last(cameras, {"behind"}) > FLOOD / 2
