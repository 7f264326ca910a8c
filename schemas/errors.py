"""Why a message can't be used. Each kind has a slug (`reason`), fit for a dead letter.

InvalidMessage
├── EncodeError          a stage built a message that its readers would refuse: a defect of ours
└── DecodeError
    ├── MissingHeader    a header that every such message carries is not there
    ├── BadHeader        a header is there and its value is not what it should be
    ├── UnknownType      not a type of ours
    ├── UnknownVersion   a type of ours in a version that this code does not know
    ├── UnexpectedType   a type of ours that does not belong on this topic
    ├── BrokenPayload    the value is not what the type says
    ├── Mismatch         key, headers and value contradict each other
    └── Oversized        larger than any honest message
"""

from __future__ import annotations

from typing import ClassVar

MAX_SENTENCE_CHARS = 250  # at most 1,000 bytes of UTF-8


class InvalidMessage(Exception):
    """A message that no retry can help. `reason` is a slug to count by, `detail` a sentence.

    The sentence is fit for a header or a log line, whatever the message held: one line, printable,
    at most MAX_SENTENCE_CHARS.
    """

    def __init__(self, reason: str, detail: str) -> None:
        detail = _one_line(detail)
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def _one_line(text: str) -> str:
    if len(text) > MAX_SENTENCE_CHARS:
        text = text[: MAX_SENTENCE_CHARS - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class EncodeError(InvalidMessage):
    """A stage built a message that its own readers would refuse."""

    def __init__(self, detail: str) -> None:
        super().__init__("unencodable", detail)


class DecodeError(InvalidMessage):
    """The bytes on the topic are not a message of ours."""

    slug: ClassVar[str]

    def __init__(self, detail: str) -> None:
        super().__init__(self.slug, detail)


class MissingHeader(DecodeError):
    slug = "missing-header"


class BadHeader(DecodeError):
    slug = "bad-header"


class UnknownType(DecodeError):
    slug = "unknown-type"


class UnknownVersion(DecodeError):
    slug = "unknown-version"


class UnexpectedType(DecodeError):
    slug = "unexpected-type"


class BrokenPayload(DecodeError):
    slug = "broken-payload"


class Mismatch(DecodeError):
    slug = "mismatch"


class Oversized(DecodeError):
    slug = "oversized"
