"""How a signature's bytes travel in a header, and every form of it that was ever written."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import headers, seven_bits

SIGNATURES = st.binary(max_size=600)


@given(SIGNATURES)
def test_what_is_read_is_what_was_written(signature: bytes) -> None:
    assert headers.signature({"signature": headers.signature_text(signature)}) == signature


@given(SIGNATURES)
def test_it_is_text_an_eighth_of_it_overhead(signature: bytes) -> None:
    text = headers.signature_text(signature)
    assert text.isascii()
    assert len(text) == 1 + -(-len(signature) * 8 // 7)


@given(SIGNATURES)
def test_base64_as_it_was_written_before_is_read(signature: bytes) -> None:
    assert headers.signature({"signature": base64.b64encode(signature)}) == signature


@pytest.mark.parametrize("junk", [b"\xff", b"~\xff", b"\x01\x00\x89PNG", b"AQ", b"\x01"])
def test_any_other_form_is_handed_on_as_it_is(junk: bytes) -> None:
    assert headers.signature({"signature": junk}) == junk


def test_none_is_none() -> None:
    assert headers.signature({}) is None


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", b""),
        (b"\xff", b"\x7f\x40"),
        (b"\x01\x02\x03\x04\x05\x06\x07", b"\x00\x40\x40\x30\x20\x14\x0c\x07"),
        (b"\xff" * 7, b"\x7f" * 8),
    ],
)
def test_the_bits_are_in_their_order(data: bytes, text: bytes) -> None:
    assert seven_bits.to_text(data) == text
    assert seven_bits.to_bytes(text) == data


def test_eight_bits_are_no_text_of_seven() -> None:
    with pytest.raises(ValueError, match="seven bits"):
        seven_bits.to_bytes(b"\x80")
