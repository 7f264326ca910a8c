"""Whatever lies on a topic: a reader gets a message that keeps its promises, or a DecodeError."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec
from schemas import messages as m
from schemas.catalogue import topics
from schemas.codec import DecodeError, Received
from schemas.errors import MAX_SENTENCE_CHARS
from schemas.example_messages import DECODERS, Example, encode, examples
from tests.schemas import strategies as some
from tests.schemas.strategies import OnTopic, quick

TOPICS = sorted(DECODERS)
HEADERS = sorted({name for example in examples() for name, _ in example.wire().headers})
NASTY_BYTES = [
    b"",
    b"\0",
    b"a\n",
    b"\xff\xfe",
    b"\xed\xa0\x80",  # a surrogate in UTF-8
    "٣".encode(),  # a digit, but not of ours
    b"-1",
    b"1_0",
    b" 1 ",
    b"nan",
    b"inf",
    b"1e999",
    b"9" * 19,
    b"9" * 5000,
    b"0001-01-01T00:00:00+14:00",
    b"9999-12-31T23:59:59.999999-14:00",
    b"9999-12-31T23:59:59.999999Z",
    b"2026-02-30T00:00:00Z",
    b"2026-01-01T00:00:60Z",
    b"2026-01-01T24:00:00Z",
    b"2026-01-01T00:00:00+24:00",
    b"2026-01-01T00:00:00",
    b"a@1\n",
    b"a@-0",
    b"@",
    b"/cameras//",
    b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00",
    b"produce:1,2;produce:3,4",
]
NASTY_JSON: list[str] = [
    "null",
    "true",
    "-1",
    "1.5",
    "1e400",
    "-0.0",
    "NaN",
    "9" * 30,
    "9" * 5000,
    "[" * 50_000 + "]" * 50_000,
    '{"a":' * 5_000 + "1" + "}" * 5_000,
    '""',
    '"\\u0000"',
    '"a\\n"',
    '"\\ud800"',
    '"\\ud83d\\ude00"',
    '"' + "x" * 5_000 + '"',
    '"0001-01-01T00:00:00+14:00"',
    '"9999-12-31T23:59:59.999999-14:00"',
    '"2026-11-22T08:00:00.2500009Z"',
    '"2026-11-22T13:30:00.25+05:30"',
    '"1969-12-31T23:59:59Z"',
    '"a@-0"',
    '"gate-north@0001"',
    '{"a b;\\u00e9": [1, 2]}',
    '{"gate\\n": [1, 2]}',
    '{"gate": [-5, 99999999999999999999]}',
    "[]",
    '[{"label":"x","score":2,"x1":0,"y1":0,"x2":1,"y2":1}]',
    '[{"label":"x","score":1,"x1":1,"y1":0,"x2":0,"y2":1}]',
]


def assert_read_or_refused(topic: str, received: Received) -> None:
    """The property of this file. An error is fit for a dead letter, a message can go on."""
    try:
        message = DECODERS[topic](received)
    except DecodeError as error:
        assert_fit_for_a_dead_letter(received, error)
        return
    again = DECODERS[topic](Received(*encode(topic, message)))
    if isinstance(message, m.Tick):
        assert isinstance(again, m.Tick)
        again = msgspec.structs.replace(again, traceparent=message.traceparent)
    assert again == message


def assert_fit_for_a_dead_letter(received: Received, error: DecodeError) -> None:
    assert error.reason == error.slug
    assert error.detail
    assert error.detail.isprintable()
    assert len(error.detail) <= MAX_SENTENCE_CHARS
    rescued = codec.salvage(received, error)
    if rescued is not None:
        encode("frames-gated", rescued)


def received_by(sent: OnTopic) -> tuple[bytes, bytes, list[tuple[str, bytes | None]]]:
    key, value, headers = sent.wire()
    return key, value, list(headers)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, Received]:
    """A true message with one to three things wrong."""
    sent = draw(some.on_topics())
    key, value, headers = received_by(sent)
    for _ in range(draw(st.integers(1, 3))):
        mutation = draw(st.sampled_from(MUTATIONS))
        key, value, headers = mutation(draw, key, value, headers)
    topic = draw(st.sampled_from([sent.topic] * 4 + TOPICS))
    return topic, Received(key, value, headers)


Headers = list[tuple[str, bytes | None]]
Parts = tuple[bytes, bytes, Headers]


def any_value(draw: st.DrawFn) -> bytes | None:
    drawn: bytes | None = draw(st.none() | st.sampled_from(NASTY_BYTES) | st.binary(max_size=80))
    return drawn


def drop_header(draw: st.DrawFn, key: bytes, value: bytes, headers: Headers) -> Parts:
    at = draw(st.integers(0, max(0, len(headers) - 1)))
    return key, value, headers[:at] + headers[at + 1 :]


def alter_header(draw: st.DrawFn, key: bytes, value: bytes, headers: Headers) -> Parts:
    at = draw(st.integers(0, max(0, len(headers) - 1)))
    altered = [(name, any_value(draw)) for name, _ in headers[at : at + 1]]
    return key, value, headers[:at] + altered + headers[at + 1 :]


def swap_header(draw: st.DrawFn, key: bytes, value: bytes, headers: Headers) -> Parts:
    """Another message's header, true by itself."""
    other = dict(received_by(draw(some.on_topics()))[2])
    name = draw(st.sampled_from(HEADERS))
    return key, value, [(mine, other.get(name) if mine == name else had) for mine, had in headers]


def repeat_header(draw: st.DrawFn, key: bytes, value: bytes, headers: Headers) -> Parts:
    name = draw(st.sampled_from(HEADERS))
    spelt = draw(st.sampled_from([name, name.upper(), name.title()]))
    return key, value, [*headers, (spelt, any_value(draw))]


def strange_header(draw: st.DrawFn, key: bytes, value: bytes, headers: Headers) -> Parts:
    names = st.text(max_size=20) | st.text(max_size=5).map("ce_{}".format)
    return key, value, [*headers, (draw(names), any_value(draw))]


def truncate_value(draw: st.DrawFn, key: bytes, value: bytes, headers: Headers) -> Parts:
    return key, value[: draw(st.integers(0, len(value)))], headers


def flip_byte(draw: st.DrawFn, key: bytes, value: bytes, headers: Headers) -> Parts:
    at, mask = draw(st.integers(0, max(0, len(value) - 1))), draw(st.integers(1, 255))
    return key, value[:at] + bytes(b ^ mask for b in value[at : at + 1]) + value[at + 1 :], headers


def replace_value(draw: st.DrawFn, key: bytes, value: bytes, headers: Headers) -> Parts:
    return key, draw(st.binary(max_size=200)), headers


def replace_field(draw: st.DrawFn, key: bytes, value: bytes, headers: Headers) -> Parts:
    """One field of the payload becomes something else, or is named twice."""
    try:
        name = draw(st.sampled_from(sorted(json.loads(value))))
    except (ValueError, TypeError, RecursionError):  # what an earlier mutation has left
        return key, value, headers
    field = json.dumps(name) + ":" + draw(st.sampled_from(NASTY_JSON))
    return key, value.rstrip()[:-1] + b"," + field.encode() + b"}", headers


def replace_key(draw: st.DrawFn, key: bytes, value: bytes, headers: Headers) -> Parts:
    return draw(st.sampled_from(NASTY_BYTES) | st.binary(max_size=80)), value, headers


MUTATIONS: list[Callable[..., Parts]] = [
    drop_header,
    alter_header,
    swap_header,
    repeat_header,
    strange_header,
    truncate_value,
    flip_byte,
    replace_value,
    replace_field,
    replace_key,
]


@settings(quick, max_examples=400)
@given(mutated())
def test_a_message_with_something_wrong_is_read_or_refused(sent: tuple[str, Received]) -> None:
    assert_read_or_refused(*sent)


@quick
@given(
    st.sampled_from(TOPICS),
    st.none() | st.binary(),
    st.none() | st.binary(),
    st.none()
    | st.lists(
        st.tuples(
            st.text() | st.sampled_from(HEADERS),
            st.none() | st.binary() | st.sampled_from(NASTY_BYTES),
        ),
        max_size=80,
    ),
)
def test_arbitrary_bytes_are_refused(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes | None]] | None,
) -> None:
    with pytest.raises(DecodeError):
        DECODERS[topic](Received(key, value, headers))


@quick
@given(st.sampled_from(list(examples())), st.binary(max_size=300))
def test_true_headers_with_arbitrary_bytes_are_read_or_refused(
    example: Example, value: bytes
) -> None:
    key, _, headers = example.wire()
    assert_read_or_refused(example.topic, Received(key, value, headers))


@pytest.mark.parametrize("example", examples(), ids=lambda e: str(e.path))
def test_every_header_with_every_nasty_value_is_read_or_refused(example: Example) -> None:
    key, value, headers = example.wire()
    for name, _ in headers:
        for nasty in (None, *NASTY_BYTES):
            altered = [(mine, nasty if mine == name else had) for mine, had in headers]
            assert_read_or_refused(example.topic, Received(key, value, altered))


@pytest.mark.parametrize(
    "example", [e for e in examples() if e.wire().value[:1] == b"{"], ids=lambda e: str(e.path)
)
def test_every_field_with_every_nasty_value_is_read_or_refused(example: Example) -> None:
    key, value, headers = example.wire()
    for name in json.loads(value):
        for nasty in NASTY_JSON:
            altered = value[:-1] + b"," + f'"{name}":{nasty}'.encode() + b"}"
            assert_read_or_refused(example.topic, Received(key, altered, headers))


OPTIONAL = {"traceparent", "signature"}
ALSO_IN_THE_PAYLOAD = {"ce_rawoffset", "ce_gatedoffset", "ce_stages"}


@pytest.mark.parametrize("example", examples(), ids=lambda e: str(e.path))
def test_a_dropped_header_is_missed_by_name(example: Example) -> None:
    key, value, headers = example.wire()
    for name, _ in headers:
        if name in OPTIONAL or (name == "ce_stages" and value[:1] != b"{"):
            continue
        dropped = Received(key, value, [header for header in headers if header[0] != name])
        if name in ALSO_IN_THE_PAYLOAD:
            if value[:1] == b"{":
                with pytest.raises(DecodeError, match="in the headers and another in the payload"):
                    DECODERS[example.topic](dropped)
            continue
        with pytest.raises(DecodeError, match=f"missing-header: {name} is not there"):
            DECODERS[example.topic](dropped)


@pytest.mark.parametrize("example", examples(), ids=lambda e: str(e.path))
def test_a_repeated_header_is_refused_by_name(example: Example) -> None:
    key, value, headers = example.wire()
    for name, content in headers:
        twice = Received(key, value, [*headers, (name.upper(), content)])
        with pytest.raises(DecodeError, match=f"bad-header: {name} is there twice"):
            DECODERS[example.topic](twice)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_takes_its_own_messages_and_no_others(topic: str) -> None:
    for example in examples():
        received = Received(*example.wire())
        if type(example.message).__name__ in topics()[topic].messages:
            DECODERS[topic](received)
        else:
            with pytest.raises(DecodeError, match="does not belong on this topic"):
                DECODERS[topic](received)
