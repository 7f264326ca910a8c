"""Hypothesis strategies for every message. Also of use to the tests of stages.

Each gives messages that keep all promises of their type, at the edges of what is allowed too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple, get_args

from hypothesis import settings
from hypothesis import strategies as st

from schemas import messages as m
from schemas.example_messages import encode
from schemas.wire import Wire

quick = settings(max_examples=150)

COUNTS = st.integers(0, 10**18 - 1) | st.sampled_from([0, 1, 2**31, 2**53 + 1, 10**18 - 1])
PIXELS = st.integers(0, 65_535)
FRACTIONS = st.floats(0, 1)
SCORES = st.floats(-1e30, 1e30)
# Attributes travel in headers: printable. Texts travel in JSON: anything but NUL and surrogates.
PRINTABLE = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
ANY_TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


class OnTopic(NamedTuple):
    """A message and a topic that carries it."""

    topic: str
    message: m.Message

    def wire(self) -> Wire:
        return encode(self.topic, self.message)


def camera_ids() -> st.SearchStrategy[str]:
    letters = "abcXYZ019"
    rest = st.text(letters + "._-", max_size=63)
    return st.builds("{}{}".format, st.sampled_from(letters), rest)


def times() -> st.SearchStrategy[datetime]:
    """Moments since 2000, in UTC and in other zones."""
    return st.datetimes(
        datetime(2000, 1, 2),  # noqa: DTZ001 # the zone is the next argument
        datetime(9999, 12, 30),  # noqa: DTZ001
        timezones=st.just(UTC) | OFFSETS,
    )


def details() -> st.SearchStrategy[str]:
    return st.text(ANY_TEXT, max_size=60) | st.just("ß" * m.MAX_DETAIL_CHARS)


def labels(max_size: int = 64) -> st.SearchStrategy[str]:
    return st.text(ANY_TEXT, min_size=1, max_size=max_size)


def names(max_size: int = 64) -> st.SearchStrategy[str]:
    return st.text(PRINTABLE, min_size=1, max_size=max_size)


@st.composite
def traceparents(draw: st.DrawFn) -> str:
    trace, span = draw(st.integers(1, 2**128 - 1)), draw(st.integers(1, 2**64 - 1))
    return f"00-{trace:032x}-{span:016x}-{draw(st.sampled_from(['00', '01']))}"


@st.composite
def boxes(draw: st.DrawFn) -> m.Box:
    x1, x2 = sorted((draw(FRACTIONS), draw(FRACTIONS)))
    y1, y2 = sorted((draw(FRACTIONS), draw(FRACTIONS)))
    return m.Box(label=draw(labels()), score=draw(FRACTIONS), x1=x1, y1=y1, x2=x2, y2=y2)


def box_lists() -> st.SearchStrategy[tuple[m.Box, ...]]:
    return st.lists(boxes(), max_size=4).map(tuple)


def stage_times() -> st.SearchStrategy[dict[str, tuple[int, int]]]:
    stage = st.sampled_from(["produce", "gate", "infer"]) | st.text("gatez", min_size=1, max_size=8)
    return st.dictionaries(stage, st.tuples(COUNTS, COUNTS), max_size=4)


@st.composite
def _ticks(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "camera": draw(camera_ids()),
        "captured_at": draw(times()),
        "run": draw(names()),
        "seq": draw(COUNTS),
        "width": draw(PIXELS),
        "height": draw(PIXELS),
        "raw_offset": draw(st.none() | COUNTS),
        "gated_offset": draw(st.none() | COUNTS),
        "stages": draw(stage_times()),
        "traceparent": draw(st.none() | traceparents()),
    }


@st.composite
def captured(draw: st.DrawFn) -> m.Captured:
    signature = draw(st.none() | st.binary(max_size=200))
    kept: dict[str, Any] = {}
    if draw(st.booleans()):
        kept = {"because": draw(st.sampled_from(get_args(m.KeepReason))), "score": draw(SCORES)}
    jpeg = draw(st.binary(max_size=200))
    return m.Captured(**draw(_ticks()), jpeg=jpeg, signature=signature, **kept)


@st.composite
def missing(draw: st.DrawFn) -> m.Missing:
    reason = draw(st.sampled_from(get_args(m.MissingReason)))
    return m.Missing(**draw(_ticks()), reason=reason, detail=draw(details()))


@st.composite
def kept(draw: st.DrawFn) -> m.Kept:
    jpeg, because = draw(st.binary(max_size=200)), draw(st.sampled_from(get_args(m.KeepReason)))
    return m.Kept(**draw(_ticks()), jpeg=jpeg, because=because, score=draw(SCORES))


@st.composite
def unchanged(draw: st.DrawFn) -> m.Unchanged:
    tick = draw(_ticks())
    back_us = draw(st.integers(1, 600_000_000) | st.integers(1, 10**17))
    same_as = m.frame_id(tick["camera"], m.to_us(tick["captured_at"]) - back_us)
    return m.Unchanged(**tick, same_as=same_as, score=draw(SCORES))


@st.composite
def rejected(draw: st.DrawFn) -> m.Rejected:
    reason = draw(st.sampled_from(get_args(m.RejectReason)))
    return m.Rejected(**draw(_ticks()), reason=reason, detail=draw(details()))


@st.composite
def inferred(draw: st.DrawFn) -> m.Inferred:
    because = draw(st.sampled_from(get_args(m.KeepReason)))
    seen: dict[str, Any] = {
        "model": draw(names(128)),
        "boxes": draw(box_lists()),
        "score": draw(SCORES),
    }
    return m.Inferred(**draw(_ticks()), **seen, because=because)


def raw_records() -> st.SearchStrategy[m.RawRecord]:
    return captured() | missing() | unchanged()


def gated_records() -> st.SearchStrategy[m.GatedRecord]:
    return kept() | unchanged() | rejected() | missing()


def result_records() -> st.SearchStrategy[m.ResultRecord]:
    return inferred() | unchanged() | rejected() | missing()


@st.composite
def alerts(draw: st.DrawFn) -> m.AlertRecord:
    camera = draw(camera_ids())
    began_at, between, at = sorted((draw(times()), draw(times()), draw(times())))
    fields: dict[str, Any] = {
        "id": draw(names(200)),
        "camera": camera,
        "rule": draw(labels()),
        "severity": draw(st.sampled_from(["info", "warning", "critical"])),
        "at": at,
        "began_at": began_at,
        "frame": m.frame_id(camera, m.to_us(at)),
        "evidence": draw(st.none() | st.just(m.frame_id(camera, m.to_us(between)))),
        "raw_offset": draw(st.none() | COUNTS),
        "partition": draw(st.none() | st.integers(0, 2**31 - 1)),
        "text": draw(details()),
        "boxes": draw(box_lists()),
        "late": draw(st.booleans()),
    }
    if draw(st.booleans()):
        return m.Cleared(**fields, ended_at=between)
    if draw(st.booleans()):
        return m.Raised(**fields)
    return m.Updated(**fields)


@st.composite
def snapshots(draw: st.DrawFn) -> m.Snapshot:
    return m.Snapshot(
        camera=draw(camera_ids()),
        stage=draw(names().filter(lambda name: "/" not in name)),
        topic=draw(names(249)),
        topic_id=draw(names()),
        partition=draw(st.integers(0, 2**31 - 1)),
        offset=draw(COUNTS),
        state=draw(st.binary(max_size=200)),
    )


@st.composite
def on_topics(draw: st.DrawFn) -> OnTopic:
    """Any message, with a topic that carries it."""
    topic = draw(st.sampled_from(sorted(_MESSAGES_OF)))
    return OnTopic(topic, draw(_MESSAGES_OF[topic]))


_MESSAGES_OF: dict[str, st.SearchStrategy[Any]] = {
    "frames-raw": raw_records(),
    "frames-gated": gated_records(),
    "detections": result_records(),
    "alerts": alerts(),
    "gate-state": snapshots(),
    "rule-state": snapshots(),
}
