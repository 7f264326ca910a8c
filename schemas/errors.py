"""Why a message can't be used. Each kind has a slug (`reason`), fit for a dead letter.

InvalidMessage
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


class InvalidMessage(Exception):
    """A message that no retry can help. `reason` is a slug to count by, `detail` a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


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
