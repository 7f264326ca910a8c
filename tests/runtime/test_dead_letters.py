"""Dead letters keep what came and say why; too many in a row stop the stage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.dead_letters import (
    MAX_DETAIL_BYTES,
    FailureGuard,
    Origin,
    dead_letter,
    read_letter,
)
from runtime.errors import TooManyFailures
from schemas.codec import Received
from schemas.errors import BadHeader, InvalidMessage, MissingHeader

ORIGIN = Origin("test.frames-raw", 3, 41)
BROKEN = InvalidMessage("broken-payload", "no JPEG")


def test_a_dead_letter_is_the_message_as_it_came_and_why() -> None:
    topic, wire = dead_letter(
        ORIGIN, b"north", b"\xff", [("a", b"1"), ("a", b"2"), ("b", None)], "gate", BROKEN
    )
    assert topic == "test.frames-raw-dlq"
    assert (wire.key, wire.value) == (b"north", b"\xff")
    assert wire.headers == [
        ("a", b"1"),
        ("a", b"2"),
        ("b", b""),
        ("dlq_stage", b"gate"),
        ("dlq_reason", b"broken-payload"),
        ("dlq_detail", b"no JPEG"),
        ("dlq_topic", b"test.frames-raw"),
        ("dlq_partition", b"3"),
        ("dlq_offset", b"41"),
    ]


def test_a_message_without_key_value_and_headers_can_be_one() -> None:
    _, wire = dead_letter(ORIGIN, None, None, None, "gate", BROKEN)
    assert (wire.key, wire.value) == (b"", b"")


@given(
    key=st.binary(max_size=20),
    value=st.binary(max_size=20),
    headers=st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), max_size=4),
    detail=st.text(),
)
def test_a_dead_letter_can_be_read_back(
    key: bytes, value: bytes, headers: list[tuple[str, bytes]], detail: str
) -> None:
    error = InvalidMessage("clock", detail)
    _, wire = dead_letter(ORIGIN, key, value, headers, "gate", error)
    letter = read_letter(Received(wire.key, wire.value, list(wire.headers)))
    assert letter.origin == ORIGIN
    assert (letter.stage, letter.reason) == ("gate", "clock")
    assert (letter.original.key, letter.original.value) == (key, value)
    assert letter.original.headers == [one for one in headers if not one[0].startswith("dlq_")]


class Verbose(InvalidMessage):
    """One that does not keep to a sentence."""

    def __init__(self, detail: str) -> None:
        super().__init__("verbose", "")
        self.detail = detail


@given(detail=st.text(min_size=300) | st.just("é" * 600) | st.just("\ud800" * 400))
def test_the_detail_is_cut_and_stays_text(detail: str) -> None:
    _, wire = dead_letter(ORIGIN, b"", b"", [], "gate", Verbose(detail))
    cut = dict(wire.headers)["dlq_detail"]
    assert len(cut) <= MAX_DETAIL_BYTES
    cut.decode()


def test_one_that_was_replayed_and_failed_again_says_why_it_failed_last() -> None:
    _, first = dead_letter(ORIGIN, b"k", b"v", [("a", b"1")], "gate", BROKEN)
    _, second = dead_letter(
        Origin("test.frames-raw", 3, 99), first.key, first.value, first.headers, "gate", BROKEN
    )
    assert [name for name, _ in second.headers] == [name for name, _ in first.headers]
    assert dict(second.headers)["dlq_offset"] == b"99"


def test_what_is_no_dead_letter_is_told() -> None:
    with pytest.raises(MissingHeader):
        read_letter(Received(b"k", b"v", []))
    _, wire = dead_letter(ORIGIN, b"k", b"v", [], "gate", BROKEN)
    headers = [(n, b"x" if n == "dlq_offset" else v) for n, v in wire.headers]
    with pytest.raises(BadHeader):
        read_letter(Received(b"k", b"v", headers))


# ---------------------------------------------------------------- too many in a row


def fail(guard: FailureGuard, *cameras: bytes | None) -> None:
    for camera in cameras:
        guard.failed(camera, BROKEN)


def test_many_failures_in_a_row_from_three_cameras_stop_the_stage() -> None:
    guard = FailureGuard(limit=10, min_cameras=3)
    fail(guard, *[b"a", b"b", b"c"] * 3)
    with pytest.raises(TooManyFailures, match="10 messages in a row failed, from 3 cameras"):
        fail(guard, b"a")


def test_the_failures_of_two_cameras_never_do() -> None:
    fail(FailureGuard(limit=10, min_cameras=3), *[b"a", b"b"] * 100)


def test_messages_without_a_key_count_as_one_camera() -> None:
    fail(FailureGuard(limit=10, min_cameras=3), *[b"a", None, b""] * 100)


def test_a_success_in_between_starts_the_count_again() -> None:
    guard = FailureGuard(limit=10, min_cameras=3)
    for _ in range(10):
        fail(guard, *[b"a", b"b", b"c"] * 3)
        guard.succeeded()


def test_by_default_a_hundred_from_three_cameras_are_too_many() -> None:
    guard = FailureGuard()
    fail(guard, *[b"a", b"b", b"c"] * 33)
    with pytest.raises(TooManyFailures, match="the last with 'broken-payload: no JPEG'"):
        fail(guard, b"a")
