"""What becomes of a record that the worker reads, and of a frame's answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inference_worker.loop.engine import Answered, Frame
from inference_worker.loop.intake import Intake
from inference_worker.loop.ordering import Ticket
from inference_worker.loop.poison import Uninferable
from runtime.dead_letters import Origin
from runtime.metrics import Metrics
from schemas.codec import Wire, encode_frame
from schemas.errors import InvalidMessage
from schemas.messages import Box, Inferred, Kept, Missing, Rejected
from vision.jpeg import TooLarge, Undecodable

BOX = Box(label="person", score=0.9, x1=0.1, y1=0.2, x2=0.3, y2=0.4)


class Sent:
    """A consumed message."""

    def __init__(self, wire: Wire, offset: int = 7) -> None:
        self._wire, self._offset = wire, offset

    def key(self) -> bytes:
        return self._wire.key

    def value(self) -> bytes:
        return self._wire.value

    def headers(self) -> list[tuple[str, bytes]]:
        return list(self._wire.headers)

    def topic(self) -> str:
        return "frames-gated"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return self._offset


class Outcomes:
    """Stands in for `Results`: remembers what it is given."""

    def __init__(self) -> None:
        self.admitted: list[tuple[str, int]] = []
        self.given: list[Any] = []
        self.dead: list[tuple[InvalidMessage, Rejected | None]] = []
        self.successes = 0

    def admit(self, place: Origin, camera: str, size_bytes: int) -> Ticket:
        self.admitted.append((camera, size_bytes))
        return Ticket(camera, place.partition, place.offset, 1, size_bytes)

    def give(self, ticket: Ticket, record: Any, took_us: int) -> None:
        self.given.append(record)

    def reject(
        self,
        ticket: Ticket,
        message: object,
        error: InvalidMessage,
        rejected: Rejected | None,
        took_us: int,
    ) -> None:
        self.dead.append((error, rejected))

    def succeeded(self) -> None:
        self.successes += 1


class Surroundings:
    metrics = Metrics()


def kept(age: timedelta = timedelta(0)) -> Kept:
    return Kept(
        camera="north",
        captured_at=datetime.now(UTC) - age,
        run="r",
        seq=4,
        width=640,
        height=480,
        raw_offset=9,
        stages={"gate": (1, 2)},
        jpeg=b"\xff\xd8 and more",
        because="audit",
        score=2.5,
    )


class Desk:
    """An intake with what it gives away."""

    def __init__(self, max_age_s: float | None = None) -> None:
        self.outcomes, self.waiting = Outcomes(), list[Frame]()
        self.intake = Intake(Surroundings(), self.outcomes, self.waiting.append, max_age_s)  # type: ignore[arg-type] # stand-ins

    def take(self, record: Kept | Missing) -> None:
        self.intake.take(Sent(encode_frame(record, "gate")))  # type: ignore[arg-type] # as above


def test_a_kept_frame_waits_for_the_engine():
    desk, record = Desk(), kept()
    desk.take(record)
    assert [frame.record.jpeg for frame in desk.waiting] == [record.jpeg]
    assert desk.outcomes.admitted == [("north", len(record.jpeg))]
    assert desk.outcomes.given == []


def test_a_record_without_a_picture_goes_straight_on():
    desk = Desk()
    missing = Missing(camera="north", captured_at=kept().captured_at, run="r", seq=4, raw_offset=1,
        reason="stalled")  # fmt: skip
    desk.take(missing)
    assert [record.reason for record in desk.outcomes.given] == ["stalled"]
    assert desk.waiting == []


@pytest.mark.parametrize(("age_s", "is_stale"), [(30, False), (90, True)])
def test_a_frame_that_is_too_old_is_rejected_without_a_dead_letter(age_s: int, is_stale: bool):
    desk = Desk(max_age_s=60.0)
    record = kept(timedelta(seconds=age_s))
    desk.take(record)
    assert len(desk.waiting) == (0 if is_stale else 1)
    assert desk.outcomes.dead == []
    told = [(one.reason, one.frame, one.detail) for one in desk.outcomes.given]
    detail = "captured 90.0 s ago, at most 60 s are allowed"
    assert told == ([("stale", record.frame, detail)] if is_stale else [])


def test_without_a_limit_no_frame_is_too_old():
    desk = Desk()
    desk.take(kept(timedelta(days=300)))
    assert len(desk.waiting) == 1


def test_a_frame_that_gets_too_old_while_it_waits_is_rejected_too():
    desk = Desk(max_age_s=60.0)
    desk.take(kept())
    [frame] = desk.waiting
    assert not desk.intake.is_stale(frame)
    desk.intake.max_age_s = 1e-6
    assert desk.intake.is_stale(frame)
    assert [one.reason for one in desk.outcomes.given] == ["stale"]


def test_boxes_become_an_inferred_tick_of_the_model_that_saw_them():
    desk = Desk()
    desk.take(kept())
    [frame] = desk.waiting
    desk.intake.answer(Answered(frame, (BOX,), "some-model"))
    [record] = desk.outcomes.given
    assert isinstance(record, Inferred)
    assert (record.model, record.boxes, record.because, record.score) == (
        "some-model", (BOX,), "audit", 2.5,
    )  # fmt: skip
    assert (record.frame, record.raw_offset, record.stages) == (
        frame.record.frame, 9, {"gate": (1, 2)},
    )  # fmt: skip
    assert desk.outcomes.successes == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Undecodable("cut"), "undecodable"),
        (TooLarge("40000x40000 pixels"), "too-large"),
        (Uninferable("the detector fails on it"), "failed"),
    ],
)
def test_a_frame_that_can_not_be_used_goes_to_the_dead_letters_and_on_as_rejected(
    error: InvalidMessage, reason: str
):
    desk = Desk()
    desk.take(kept())
    [frame] = desk.waiting
    desk.intake.answer(Answered(frame, error, "some-model"))
    [(dead, rejected)] = desk.outcomes.dead
    assert dead is error
    assert rejected is not None
    assert (rejected.reason, rejected.detail) == (reason, error.detail)
    assert rejected.frame == frame.record.frame
    assert desk.outcomes.successes == 0


def test_a_message_that_says_not_whose_tick_it_is_leaves_a_dead_letter_alone():
    desk = Desk()
    desk.intake.take(Sent(Wire(b"north", b"?", [])))  # type: ignore[arg-type] # a stand-in
    [(error, rejected)] = desk.outcomes.dead
    assert error.reason == "missing-header"
    assert rejected is None
