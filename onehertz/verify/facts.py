"""The little that verify remembers of each message. Times are µs since 1970."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from sys import intern
from typing import NamedTuple

from schemas import messages as m
from schemas.headers import EARLIEST

# Camera and capture time: the tick's identity on every topic and in the tables.
Frame = tuple[str, int]

# A frame further ahead of the broker's clock is rejected and moves no state: promise 6 of
# docs/architecture.md, as the numbers below are of its others.
CLOCK_AHEAD_US = 5 * 60 * 1_000_000
# Further ahead than this, or before 2000, is no capture time at all: only the dead letters have it.
IMPOSSIBLE_AHEAD_US = 24 * 3600 * 1_000_000
_EARLIEST_US = m.to_us(EARLIEST)
# What an unchanged tick equals is at most this much older (promise 9).
REFRESH_LIMIT_US = 600 * 1_000_000

# A message that does not decode, but whose headers say for certain whose tick it is: the tick goes
# on as rejected (promise 8).
MALFORMED = "malformed"

# Reasons for which a record comes after a later one: it has moved no state.
_OUT_OF_TURN = frozenset({"late", "clock"})

Boxes = tuple[int, bytes]  # their number and a digest of their values


class Raw(NamedTuple):
    """A message of frames-raw."""

    frame: Frame
    offset: int
    run: str
    seq: int
    status: str  # captured, missing, unchanged (by a gate at the edge) or MALFORMED
    same_as_us: int | None
    possible: bool  # the capture time is one that a row may carry
    ahead: bool  # of the broker's clock by more than CLOCK_AHEAD_US
    because: str | None  # why a gate at the edge kept it; None: none has decided


class Gated(NamedTuple):
    """A message of frames-gated."""

    frame: Frame
    offset: int
    run: str
    seq: int
    status: str
    raw_offset: int | None
    same_as_us: int | None
    why: str | None  # `because` of a kept one, `reason` of a rejected or missing one

    @property
    def in_turn(self) -> bool:
        return self.why not in _OUT_OF_TURN


class Said(NamedTuple):
    """What a record of detections says of its tick, and the row in `frames` must say too."""

    status: str
    model: str | None
    because: str | None
    score: float | None
    same_as_us: int | None
    reason: str | None
    detail: str
    run: str
    seq: int
    width: int
    height: int
    gated_offset: int | None
    raw_offset: int | None
    boxes: Boxes

    def differences(self, other: Said) -> list[str]:
        """The fields in which `other` differs, each with both values."""
        pairs = zip(self._fields, self, other, strict=True)
        return [_difference(name, mine, theirs) for name, mine, theirs in pairs if mine != theirs]


class Result(NamedTuple):
    """A message of detections."""

    frame: Frame
    offset: int
    said: Said

    @property
    def in_turn(self) -> bool:
        return self.said.reason not in _OUT_OF_TURN


class Row(NamedTuple):
    """A row of `frames`, with its boxes from `detections`."""

    frame: Frame
    partition: int
    offset: int  # on detections, of the record that it was written from
    said: Said
    doubled_boxes: int


def raw_fact(record: m.RawRecord | m.Rejected, offset: int, appended_at_us: int) -> Raw:
    """A *rejected* one is what the headers say of a message that does not decode."""
    at_us = record.captured_at_us
    return Raw(
        _frame(record),
        offset,
        intern(record.run),
        record.seq,
        MALFORMED if isinstance(record, m.Rejected) else record.status,
        _same_as_us(record),
        _EARLIEST_US <= at_us <= appended_at_us + IMPOSSIBLE_AHEAD_US,
        at_us > appended_at_us + CLOCK_AHEAD_US,
        record.because if isinstance(record, m.Captured) else None,
    )


def malformed_gated_fact(record: m.Rejected, offset: int) -> Gated:
    """What the headers say of a message of frames-gated that does not decode."""
    return gated_fact(record, offset)._replace(status=MALFORMED, why=None)


def gated_fact(record: m.GatedRecord, offset: int) -> Gated:
    match record:
        case m.Kept():
            why: str | None = intern(record.because)
        case m.Rejected() | m.Missing():
            why = intern(record.reason)
        case _:
            why = None
    return Gated(
        _frame(record),
        offset,
        intern(record.run),
        record.seq,
        record.status,
        record.raw_offset,
        _same_as_us(record),
        why,
    )


def result_fact(record: m.ResultRecord, offset: int) -> Result:
    inferred = record if isinstance(record, m.Inferred) else None
    failed = record if isinstance(record, m.Rejected | m.Missing) else None
    said = Said(
        status=record.status,
        model=intern(inferred.model) if inferred else None,
        because=intern(inferred.because) if inferred else None,
        score=record.score if isinstance(record, m.Inferred | m.Unchanged) else None,
        same_as_us=_same_as_us(record),
        reason=intern(failed.reason) if failed else None,
        detail=failed.detail if failed else "",
        run=intern(record.run),
        seq=record.seq,
        width=record.width,
        height=record.height,
        gated_offset=record.gated_offset,
        raw_offset=record.raw_offset,
        boxes=digest(_values(box) for box in inferred.boxes) if inferred else NO_BOXES,
    )
    return Result(_frame(record), offset, said)


def digest(boxes: Iterable[tuple[str, float, float, float, float, float]]) -> Boxes:
    """Number and digest of boxes (label, score, x1, y1, x2, y2), in 32 bits."""
    hashed = hashlib.blake2b(digest_size=8)
    count = 0
    for label, *values in boxes:
        hashed.update(label.encode("utf-8", "surrogatepass") + b"\0" + struct.pack("<5f", *values))
        count += 1
    return count, hashed.digest()


NO_BOXES: Boxes = digest(())


def name_of(frame: Frame) -> str:
    return m.frame_id(*frame)


def _frame(record: m.Tick) -> Frame:
    # Each message brings texts of its own: interned, a tick costs 1.5 kB instead of 2.0.
    return intern(record.camera), record.captured_at_us


def _values(box: m.Box) -> tuple[str, float, float, float, float, float]:
    return box.label, box.score, box.x1, box.y1, box.x2, box.y2


def _same_as_us(record: m.FrameRecord) -> int | None:
    return m.split_frame_id(record.same_as)[1] if isinstance(record, m.Unchanged) else None


def _difference(name: str, mine: object, theirs: object) -> str:
    if name != "boxes":
        return f"{name} {mine!r} / {theirs!r}"
    assert isinstance(mine, tuple)  # noqa: S101 # Boxes
    assert isinstance(theirs, tuple)  # noqa: S101
    return f"boxes {mine[0]} / {theirs[0]}" + (", other values" if mine[0] == theirs[0] else "")
