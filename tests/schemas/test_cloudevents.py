"""The CloudEvents project's own Python library reads what we write, and we read what it writes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.v1.kafka import KafkaMessage as OldKafkaMessage
from cloudevents.v1.kafka import from_binary as old_from_binary
from hypothesis import given

from schemas import messages as m
from schemas.codec import Received, Wire
from schemas.example_messages import DECODERS, Example, examples
from tests.schemas import strategies as some
from tests.schemas.strategies import OnTopic, quick

EXAMPLES = pytest.mark.parametrize("example", examples(), ids=lambda example: str(example.path))


def read(wire: Wire) -> Any:
    return from_kafka(KafkaMessage(dict(wire.headers), wire.key, wire.value), JSONFormat())


def data_of(wire: Wire) -> Any:
    """The payload as that library presents it: parsed JSON, text where it is UTF-8, else bytes."""
    if not wire.value:
        return None
    if dict(wire.headers)["content-type"] == b"application/json":
        return msgspec.json.decode(wire.value)
    try:
        return wire.value.decode()
    except UnicodeDecodeError:
        return wire.value


def assert_read_alike(wire: Wire, message: m.Message) -> None:
    event, headers = read(wire), dict(wire.headers)

    assert event.get_specversion() == "1.0"
    assert event.get_type() == message.type
    assert event.get_id() == headers["ce_id"].decode()
    assert event.get_source() == headers["ce_source"].decode()
    assert event.get_extension("partitionkey") == message.camera
    extensions = {name for name in headers if name.startswith("ce_")} - CORE
    for name in extensions:
        assert event.get_extension(name.removeprefix("ce_")) == headers[name].decode()
    content_type = headers.get("content-type")
    assert event.get_datacontenttype() == (content_type and content_type.decode())
    assert event.get_data() == data_of(wire)
    if isinstance(message, m.Tick):
        assert event.get_time() == message.captured_at
        assert event.get_extension("frame") == message.frame
    if isinstance(message, m.Alert):
        assert event.get_time() == message.at


@EXAMPLES
def test_the_library_reads_each_message_type(example: Example) -> None:
    assert_read_alike(example.wire(), example.message)


@quick
@given(some.on_topics())
def test_the_library_reads_any_message(sent: OnTopic) -> None:
    assert_read_alike(sent.wire(), sent.message)


@EXAMPLES
def test_the_library_of_version_1_reads_each_message_type_too(example: Example) -> None:
    key, value, headers = example.wire()
    message = OldKafkaMessage(dict(headers), key, value)

    event = old_from_binary(message, data_unmarshaller=bytes)

    assert event["type"] == example.message.type
    assert event["id"] == dict(headers)["ce_id"].decode()
    assert event.get_data() == value


@EXAMPLES
def test_what_the_library_writes_again_is_read_as_the_same_message(example: Example) -> None:
    sent = Received(*example.wire())
    written = to_binary(read(example.wire()), JSONFormat())
    assert isinstance(written.key, str)
    received = Received(written.key.encode(), written.value, list(written.headers.items()))

    expected, again = DECODERS[example.topic](sent), DECODERS[example.topic](received)

    # It passes on CloudEvents attributes only: our two headers without ce_ are not among them.
    assert plain(again) == plain(expected)


def plain(message: m.Message) -> m.Message:
    if isinstance(message, m.Captured):
        return msgspec.structs.replace(message, signature=None, traceparent=None)
    if isinstance(message, m.Tick):
        return msgspec.structs.replace(message, traceparent=None)
    return message


def test_a_signature_is_text_because_the_library_reads_every_header_as_utf_8() -> None:
    example = next(
        e for e in examples() if isinstance(e.message, m.Captured) and e.message.signature
    )
    headers = dict(example.wire().headers)
    assert isinstance(example.message, m.Captured)

    assert headers["signature"].isascii()
    raw = headers | {"signature": example.message.signature}
    with pytest.raises(UnicodeDecodeError):
        from_kafka(KafkaMessage(raw, b"gate-north", b""), JSONFormat())


CORE = {"ce_specversion", "ce_type", "ce_id", "ce_source", "ce_time"}
