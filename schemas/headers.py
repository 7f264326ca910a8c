"""Kafka headers of a message: CloudEvents attributes as text, read strictly and within bounds."""

from __future__ import annotations

import binascii
import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from schemas import seven_bits
from schemas.errors import BadHeader, MissingHeader, Oversized
from schemas.messages import StageTimes

RawHeaders = Iterable[tuple[str, bytes | None]]
HeaderList = list[tuple[str, bytes]]

MAX_HEADERS = 64
MAX_TEXT_BYTES = 2_048
MAX_SIGNATURE_BYTES = 64 * 1024
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # a capture time before it is a clock never set

# What a signature of seven bits to a byte begins with. No letter of base64 and no version of one.
_SEVEN_BITS = b"~"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,400}(\.\d{1,400})?(e[+-]?\d{1,4})?", re.ASCII | re.IGNORECASE)
_STAGES = re.compile(r"[a-z]+:\d{1,18},\d{1,18}(;[a-z]+:\d{1,18},\d{1,18})*", re.ASCII)
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def index_headers(headers: RawHeaders | None) -> dict[str, bytes]:
    """Headers by lower-case name. Raises BadHeader for one of ours that comes twice, Oversized."""
    found: dict[str, bytes] = {}
    for count, (name, value) in enumerate(headers or (), start=1):
        if count > MAX_HEADERS:
            raise Oversized(f"more than {MAX_HEADERS} headers")
        name = name.lower()
        if not _is_ours(name) or value is None:
            continue
        if name in found:
            raise BadHeader(f"{name} is there twice")
        limit = MAX_SIGNATURE_BYTES if name == "signature" else MAX_TEXT_BYTES
        if len(value) > limit:
            raise Oversized(f"{name} has {len(value)} bytes, at most {limit} are allowed")
        found[name] = value
    return found


def _is_ours(name: str) -> bool:
    return name.startswith("ce_") or name in ("content-type", "signature", "traceparent")


def text(headers: Mapping[str, bytes], name: str) -> str:
    """The header as text, one character or more, all printable. Raises MissingHeader, BadHeader."""
    value = headers.get(name)
    if value is None:
        raise MissingHeader(f"{name} is not there")
    try:
        decoded = value.decode()
    except UnicodeDecodeError:
        raise BadHeader(f"{name} is not UTF-8") from None
    if not decoded or not decoded.isprintable():
        raise BadHeader(f"{name} is {decoded[:40]!r}, expected printable text")
    return decoded


def integer(headers: Mapping[str, bytes], name: str) -> int:
    """The header as a whole number from 0 to 10^18 - 1. Raises MissingHeader, BadHeader."""
    value = text(headers, name)
    if not _INTEGER.fullmatch(value):
        raise BadHeader(f"{name} is {value[:40]!r}, expected a whole number >= 0")
    return int(value)


def optional_integer(headers: Mapping[str, bytes], name: str) -> int | None:
    return integer(headers, name) if name in headers else None


def number(headers: Mapping[str, bytes], name: str) -> float:
    """The header as a finite decimal number. Raises MissingHeader, BadHeader."""
    value = text(headers, name)
    # float() alone reads 'nan', '1_0' and Arabic digits too.
    parsed = float(value) if _NUMBER.fullmatch(value) else math.inf
    if math.isinf(parsed):
        raise BadHeader(f"{name} is {value[:40]!r}, expected a number")
    return parsed


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC, always with six decimals."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment(headers: Mapping[str, bytes], name: str) -> datetime:
    """The header as a UTC moment since 2000. Raises MissingHeader, BadHeader."""
    value = text(headers, name)
    if not _TIME.fullmatch(value):
        raise BadHeader(f"{name} is {value[:40]!r}, expected RFC 3339, say 2026-01-31T12:00:00.5Z")
    try:
        parsed = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadHeader(f"{name} is {value[:40]!r}, which is no moment in time") from None
    if parsed < EARLIEST:
        raise BadHeader(f"{name} is {value}, before 2000: the camera's clock was never set")
    return parsed


def stages_text(stages: Mapping[str, StageTimes]) -> str:
    return ";".join(f"{stage}:{took},{gave}" for stage, (took, gave) in stages.items())


def stages(headers: Mapping[str, bytes]) -> dict[str, StageTimes]:
    """`ce_stages`: stage → (took, gave), µs since 1970. Empty where the header is absent."""
    if "ce_stages" not in headers:
        return {}
    value = text(headers, "ce_stages")
    if not _STAGES.fullmatch(value):
        raise BadHeader(f"ce_stages is {value[:60]!r}, expected 'stage:took_us,gave_us;…'")
    parsed: dict[str, StageTimes] = {}
    for part in value.split(";"):
        stage, _, times = part.partition(":")
        took, _, gave = times.partition(",")
        if stage in parsed:
            raise BadHeader(f"ce_stages names {stage[:40]} twice")
        parsed[stage] = (int(took), int(gave))
    return parsed


def signature_text(signature: bytes) -> bytes:
    """`~` and the bytes with seven bits to each.

    Not as they are: CloudEvents libraries read every header as UTF-8, and lose a message with one
    that is none. Not as base64, which is a third longer: on the busiest real scene 7 kB say every
    luma within 6 grey levels, and the 6 kB that base64 leaves of a header's 8 within 9.
    """
    return _SEVEN_BITS + seven_bits.to_text(signature)


def signature(headers: Mapping[str, bytes]) -> bytes | None:
    """The gate's signature, None where it is absent.

    Also where it came as base64, which begins with a letter, a digit, + or /, as it did before
    `~` was there. What is neither is handed on as it is: its first byte is its version, and the
    gate looks at the frame itself where it can't use it.
    """
    if "signature" not in headers:
        return None
    value = headers["signature"]
    try:
        if value.startswith(_SEVEN_BITS):
            return seven_bits.to_bytes(value[1:])
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError:  # binascii's is one too
        return value


def optional_traceparent(headers: Mapping[str, bytes]) -> str | None:
    """The W3C trace context; a malformed one is dropped, as that standard asks."""
    if "traceparent" not in headers:
        return None
    value = headers["traceparent"].decode("ascii", "replace")
    return value if _TRACEPARENT.fullmatch(value) else None


def traceparent(parent: str | None, identity: str, stage: str) -> str:
    """W3C trace context of one stage's event: the trace of `parent`, a span of its own.

    Ids are hashes of the identity: a repeated delivery has the same ones.
    """
    known = _TRACEPARENT.fullmatch(parent) if parent else None
    trace = known[1] if known else hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
    span = hashlib.blake2b(f"{identity}/{stage}".encode(), digest_size=8).hexdigest()
    return f"00-{trace}-{span}-01"


def in_range(moment: datetime, appended_at: datetime) -> bool:
    """Whether a capture time is one that a row may carry: since 2000, at most a day ahead."""
    return EARLIEST <= moment <= appended_at + timedelta(days=1)
