"""Bytes as text of seven bits to a byte: valid UTF-8, and a seventh longer where base64 is a third.

Seven bytes become eight. Widths are halved in three steps, all groups at once, as one large number:
a loop over 8 kB in Python would take 2 ms.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class _Step(NamedTuple):
    """The upper half of each field moves up by `shift`: into a field of its own."""

    upper: bytes
    lower: bytes
    shift: int


# Fields of 56 bits in words of 64, then 28 in 32, then 14 in 16: in the end 7 in 8.
_STEPS: Final = (
    _Step(bytes.fromhex("00fffffff0000000"), bytes.fromhex("000000000fffffff"), 4),
    _Step(bytes.fromhex("0fffc0000fffc000"), bytes.fromhex("00003fff00003fff"), 2),
    _Step(bytes.fromhex("3f803f803f803f80"), bytes.fromhex("007f007f007f007f"), 1),
)


def to_text(data: bytes) -> bytes:
    """Each byte of it is below 128; 8 for 7 of `data`, rounded up."""
    words = -(-len(data) // 7)
    padded = data.ljust(words * 7, b"\0")
    spaced = bytearray(words * 8)
    for place in range(7):
        spaced[place + 1 :: 8] = padded[place::7]
    number = int.from_bytes(spaced, "big")
    for upper, lower, shift in _STEPS:
        kept = number & int.from_bytes(lower * words, "big")
        number = (number & int.from_bytes(upper * words, "big")) << shift | kept
    return number.to_bytes(words * 8, "big")[: -(-len(data) * 8 // 7)]


def to_bytes(text: bytes) -> bytes:
    """What `to_text` was given. Raises ValueError for a byte of 128 or more."""
    if not text.isascii():
        raise ValueError("no text of seven bits to a byte")
    size = len(text) * 7 // 8
    words = -(-len(text) // 8)
    number = int.from_bytes(text.ljust(words * 8, b"\0"), "big")
    for upper, lower, shift in reversed(_STEPS):
        kept = number & int.from_bytes(lower * words, "big")
        number = number >> shift & int.from_bytes(upper * words, "big") | kept
    spaced = number.to_bytes(words * 8, "big")
    packed = bytearray(words * 7)
    for place in range(7):
        packed[place::7] = spaced[place + 1 :: 8]
    return bytes(packed[:size])
