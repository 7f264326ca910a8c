"""A dead letter's sentence tells a person what is wrong, without the code at hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from runtime.errors import InvalidMessage
from schemas import codec, errors
from schemas import messages as m
from schemas.codec import Received
from schemas.example_messages import DECODERS, examples

WIRES = {str(example.path.with_suffix("")): example for example in examples()}
Change = Callable[[bytes, bytes, dict[str, bytes]], tuple[bytes, bytes, dict[str, bytes]]]


def header(name: str, content: bytes | None) -> Change:
    def change(key: bytes, value: bytes, headers: dict[str, bytes]) -> Any:
        changed = {**headers, name: content}
        return key, value, {name: had for name, had in changed.items() if had is not None}

    return change


def payload(old: bytes, new: bytes) -> Change:
    def change(key: bytes, value: bytes, headers: dict[str, bytes]) -> Any:
        assert old in value
        return key, value.replace(old, new, 1), headers

    return change


def whole(content: bytes) -> Change:
    return lambda key, value, headers: (key, content, headers)


def with_key(content: bytes) -> Change:
    return lambda key, value, headers: (content, value, headers)


RAW, INFERRED, RAISED = "frames-raw/captured", "detections/inferred", "alerts/raised"
CLEARED, GATE, KEPT = "alerts/cleared", "gate-state/snapshot", "frames-gated/kept-changed"
UNCHANGED, MISSING = "frames-gated/unchanged", "frames-raw/missing"
V2 = b"onehertz.frame.captured.v2"
SENTENCES: list[tuple[str, Change, str]] = [
    (RAW, header("ce_frame", None), "missing-header: ce_frame is not there"),
    (RAW, header("ce_specversion", b"0.3"), "bad-header: ce_specversion is not 1.0"),
    (
        RAW,
        header("ce_time", b"yesterday"),
        "bad-header: ce_time is 'yesterday', expected RFC 3339, say 2026-01-31T12:00:00.5Z",
    ),
    (
        RAW,
        header("ce_time", b"2026-02-30T00:00:00Z"),
        "bad-header: ce_time is '2026-02-30T00:00:00Z', which is no moment in time",
    ),
    (
        RAW,
        header("ce_time", b"1970-01-01T00:00:00Z"),
        "bad-header: ce_time is 1970-01-01T00:00:00Z, "
        "before 2000: the camera's clock was never set",
    ),
    (
        RAW,
        header("ce_seq", b"-4"),
        "bad-header: ce_seq is '-4', expected a whole number >= 0",
    ),
    (KEPT, header("ce_score", b"nan"), "bad-header: ce_score is 'nan', expected a number"),
    (RAW, header("ce_run", b"\xff"), "bad-header: ce_run is not UTF-8"),
    (RAW, header("ce_run", b"a\nb"), r"bad-header: ce_run is 'a\nb', expected printable text"),
    (RAW, header("ce_id", b""), "bad-header: ce_id is '', expected printable text"),
    (
        RAW,
        header("ce_stages", b"gate:soon"),
        "bad-header: ce_stages is 'gate:soon', expected 'stage:took_us,gave_us;…'",
    ),
    (
        RAW,
        header("ce_stages", b"gate:1,2;gate:3,4"),
        "bad-header: ce_stages names gate twice",
    ),
    (
        INFERRED,
        payload(b'"Person"', b'"\xff\xfe"'),
        "broken-payload: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    ),
    (
        RAISED,
        payload(b'"began_at":"2026', b'"began_at":"1999'),
        "mismatch: began_at is before 2000 or after `at`",
    ),
    (
        RAW,
        header("content-type", b"text/html"),
        "bad-header: content-type is 'text/html', expected image/jpeg",
    ),
    (KEPT, header("ce_because", b"bored"), "bad-header: Invalid enum value 'bored' - at `$"),
    (GATE, header("ce_source", b"/gate"), "bad-header: ce_source is not /cameras/<id>/<stage>"),
    (RAW, header("ce_type", b"com.example.x.v1"), "unknown-type: 'com.example.x.v1' is no type of"),
    (
        RAW,
        header("ce_type", V2),
        "unknown-version: onehertz.frame.captured.v2: update this side first, then the sender",
    ),
    (
        RAW,
        header("ce_type", b"onehertz.frame.kept.v1"),
        "unexpected-type: onehertz.frame.kept.v1 does not belong on this topic",
    ),
    (INFERRED, whole(b""), "broken-payload: the value is empty, JSON was expected"),
    (INFERRED, whole(b"{"), "broken-payload: Input data was truncated"),
    (INFERRED, whole(b"\xff\xd8"), "broken-payload: JSON is malformed: invalid character (byte 0)"),
    (
        INFERRED,
        payload(b'"score":0.875', b'"score":1.5'),
        "broken-payload: Expected `float` <= 1.0 - at `$.boxes[0].score`",
    ),
    (
        INFERRED,
        payload(b'"x1":0.25', b'"x1":0.75'),
        "broken-payload: a box whose corners are swapped: x1 <= x2 and y1 <= y2 are needed"
        " - at `$.boxes[0]`",
    ),
    (
        INFERRED,
        payload(b'"Person"', b'"\\u0000"'),
        "broken-payload: a text holds a NUL character, which PostgreSQL can't store",
    ),
    (INFERRED, payload(b'"boxes":', b'"x":'), "broken-payload: Object missing required field `bo"),
    (
        INFERRED,
        payload(b'"boxes":', b'"boxes":' + b"[" * 9000),
        "broken-payload: ",
    ),
    (
        INFERRED,
        payload(b'"seq":0', b'"seq":1'),
        "mismatch: seq is one thing in the headers and another in the payload",
    ),
    (
        INFERRED,
        payload(b'"width":1920', b'"width":640'),
        "mismatch: width is one thing in the headers and another in the payload",
    ),
    (
        INFERRED,
        payload(b'"because":"changed"', b'"because":"audit"'),
        "mismatch: because is one thing in the headers and another in the payload",
    ),
    (
        RAW,
        with_key(b"gate-south"),
        "mismatch: the key is b'gate-south', the camera is 'gate-north'",
    ),
    (
        RAW,
        header("ce_source", b"/cameras/gate-south/produce"),
        "mismatch: ce_source is '/cameras/gate-south/produce', the camera is 'gate-north'",
    ),
    (
        RAISED,
        payload(b'"id":"loitering', b'"id":"loafing'),
        "mismatch: ce_id is 'loitering/gate-north/1795334400250000/raised/1795334420250000',"
        " expected 'loafing/",
    ),
    (
        RAW,
        header("ce_frame", b"gate-north@7"),
        "mismatch: ce_frame is 'gate-north@7', ce_time is 2026-11-22T08:00:00.250000Z",
    ),
    (
        UNCHANGED,
        header("ce_sameas", b"gate-south@1"),
        "mismatch: same_as is 'gate-south@1': no frame of gate-north",
    ),
    (
        UNCHANGED,
        header("ce_sameas", b"gate-north@01"),
        "mismatch: same_as is 'gate-north@01': no frame of gate-north",
    ),
    (
        UNCHANGED,
        header("ce_sameas", b"gate-north@9999999999999999"),
        "mismatch: same_as is 'gate-north@9999999999999999': not an earlier frame",
    ),
    (
        RAISED,
        header("ce_type", b"onehertz.alert.cleared.v1"),
        "mismatch: ce_type says onehertz.alert.cleared.v1, the payload is onehertz.alert.raised.v1",
    ),
    (
        RAISED,
        header("ce_time", b"2026-11-22T08:00:00Z"),
        "mismatch: ce_time is not the payload's `at`",
    ),
    (
        RAISED,
        payload(b'"began_at":"2026', b'"began_at":"2027'),
        "mismatch: began_at is before 2000 or after `at`",
    ),
    (
        CLEARED,
        payload(b'"ended_at":"2026', b'"ended_at":"2027'),
        "mismatch: ended_at is before began_at or after `at`",
    ),
    (
        RAISED,
        payload(b'"frame":"gate-north@', b'"frame":"gate-south@'),
        "mismatch: frame is 'gate-south@1795334420250000': not the tick of this camera and this",
    ),
    (
        RAISED,
        payload(b'"evidence":"gate-north', b'"evidence":"gate-south'),
        "mismatch: evidence is 'gate-south@1795334420250000': no frame of gate-north",
    ),
    (
        RAW,
        whole(b"\xff" * (codec.MAX_JPEG_BYTES + 1)),
        "oversized: a picture of 8000001 bytes, at most 8000000 are allowed",
    ),
    (
        INFERRED,
        whole(b" " * (codec.MAX_JSON_BYTES + 1)),
        "oversized: JSON of 4194305 bytes, at most 4194304 are allowed",
    ),
    (
        GATE,
        whole(b" " * (codec.MAX_STATE_BYTES + 1)),
        "oversized: a state of 1000001 bytes, at most 1000000 are allowed",
    ),
    (
        RAW,
        header("ce_run", b"x" * 3000),
        "oversized: ce_run has 3000 bytes, at most 2048 are allowed",
    ),
]


@pytest.mark.parametrize(("name", "change", "sentence"), SENTENCES, ids=[s[2] for s in SENTENCES])
def test_the_sentence(name: str, change: Change, sentence: str) -> None:
    key, value, headers = WIRES[name].wire()
    altered = change(key, value, dict(headers))

    with pytest.raises(errors.DecodeError) as caught:
        DECODERS[WIRES[name].topic](Received(altered[0], altered[1], list(altered[2].items())))

    assert str(caught.value).startswith(sentence)


def test_every_kind_of_decode_error_has_a_sentence_here() -> None:
    slugs = {kind.slug for kind in errors.DecodeError.__subclasses__()}

    assert slugs == {sentence.partition(":")[0] for _, _, sentence in SENTENCES}


def test_too_many_headers_are_refused() -> None:
    key, value, headers = WIRES[RAW].wire()
    with pytest.raises(errors.Oversized, match="more than 64 headers"):
        codec.decode_raw(Received(key, value, headers + [("x", b"")] * 64))


def test_headers_of_others_are_left_alone() -> None:
    key, value, headers = WIRES[RAW].wire()
    foreign = [("x-proxy", b"\xff\0"), ("x-proxy", b""), ("b3", None)]

    assert codec.decode_raw(Received(key, value, headers + foreign)) == codec.decode_raw(
        Received(key, value, headers)
    )


def test_a_tombstone_is_no_snapshot() -> None:
    with pytest.raises(errors.MissingHeader):
        codec.decode_snapshot(Received(b"gate-north", None, None))


def test_a_malformed_trace_is_dropped_and_the_message_goes_on() -> None:
    key, value, headers = WIRES[RAW].wire()
    for malformed in (b"\xff", b"ab", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01"):
        changed = dict(headers) | {"traceparent": malformed}
        record = codec.decode_raw(Received(key, value, list(changed.items())))
        assert record.traceparent is None


def test_a_sentence_is_short_and_printable_whatever_the_message_held() -> None:
    error = InvalidMessage("some-reason", "a\nb\0\ud800" + "x" * 10_000)

    assert error.detail.isprintable()
    assert len(error.detail.encode()) <= 1000


def tick(**more: Any) -> dict[str, Any]:
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    return {"camera": "a", "captured_at": at, "run": "r", "seq": 0, **more}


UNENCODABLE = [
    (m.Missing(**tick(camera="a b"), reason="stalled"), "Expected `str` matching regex"),
    (m.Missing(**tick(run=""), reason="stalled"), "ce_run is ''"),
    (m.Missing(**tick(run="\ud800"), reason="stalled"), "surrogates not allowed"),
    (m.Missing(**tick(seq=-1), reason="stalled"), "ce_seq is '-1'"),
    (m.Missing(**tick(seq=10**18), reason="stalled"), "ce_seq is '1000000000000000000'"),
    (m.Missing(**tick(width=70_000), reason="stalled"), "Expected `int` <= 65535"),
    (m.Missing(**tick(stages={"a b": (1, 2)}), reason="stalled"), "ce_stages is 'a b:1,2'"),
    (m.Missing(**tick(), reason="tired"), "Invalid enum value 'tired'"),  # type: ignore[arg-type] # the point
    (m.Unchanged(**tick(), same_as="a@1795348800000000"), "not an earlier frame"),
    (m.Unchanged(**tick(), same_as="a@1", score=float("nan")), "ce_score is 'nan'"),
    (m.Inferred(**tick(), model="m\n", boxes=(), because="first"), "ce_id is 'a@"),
    (m.Inferred(**tick(), model="m" * 129, boxes=(), because="first"), "length <= 128"),
]


@pytest.mark.parametrize(("record", "why"), UNENCODABLE, ids=[why for _, why in UNENCODABLE])
def test_a_message_that_readers_would_refuse_is_not_written(record: Any, why: str) -> None:
    with pytest.raises(errors.EncodeError) as caught:
        codec.encode_frame(record, "infer")

    assert str(caught.value).startswith("unencodable: no reader would accept this message: ")
    assert why in str(caught.value)


def test_a_tick_whose_value_is_broken_goes_on_as_rejected() -> None:
    key, _, headers = WIRES[MISSING].wire()
    broken = Received(key, b"{", headers)
    with pytest.raises(errors.BrokenPayload) as caught:
        codec.decode_raw(broken)

    rescued = codec.salvage(broken, caught.value)

    sent = WIRES[MISSING].message
    assert isinstance(sent, m.Missing)
    assert rescued is not None
    assert (rescued.frame, rescued.run, rescued.seq) == (sent.frame, sent.run, sent.seq)
    assert rescued.reason == "malformed"
    assert rescued.detail == "broken-payload: Input data was truncated"


@pytest.mark.parametrize("lost", ["ce_frame", "ce_time", "ce_run", "ce_seq", "ce_source"])
def test_a_tick_that_nobody_can_place_is_not_made_up(lost: str) -> None:
    key, value, headers = WIRES[RAW].wire()
    received = Received(key, value, [header for header in headers if header[0] != lost])

    assert codec.salvage(received, errors.MissingHeader(lost)) is None


def test_a_key_of_another_camera_rescues_nothing() -> None:
    _, value, headers = WIRES[RAW].wire()

    assert codec.salvage(Received(b"other", value, headers), errors.Mismatch("")) is None


def test_unknown_fields_of_a_later_version_are_skipped() -> None:
    key, value, headers = WIRES[INFERRED].wire()
    later = value[:-1] + b',"embedding":[1,2,{"a":null}]}'

    assert codec.decode_result(Received(key, later, headers)) == codec.decode_result(
        Received(key, value, headers)
    )


def test_the_trace_of_the_header_wins() -> None:
    key, value, headers = WIRES[INFERRED].wire()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    changed = dict(headers) | {"traceparent": trace.encode()}
    record = codec.decode_result(Received(key, value, list(changed.items())))

    assert record.traceparent == trace
    assert msgspec.json.decode(value)["traceparent"] != trace
