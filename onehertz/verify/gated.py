"""Judges one partition of frames-gated: each record follows from its tick on frames-raw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from onehertz.verify.facts import MALFORMED, REFRESH_LIMIT_US, Frame, Gated, Raw, name_of
from onehertz.verify.findings import Findings, Kind, topic_place
from onehertz.verify.order import Order
from onehertz.verify.raw import RawJudge

# What may become of a tick at the gate.
_FOLLOWS: Final = {
    "captured": frozenset({"kept", "unchanged", "rejected", MALFORMED}),
    "missing": frozenset({"missing", "rejected", MALFORMED}),
    "unchanged": frozenset({"unchanged", "rejected", MALFORMED}),
    MALFORMED: frozenset({"rejected", MALFORMED}),
}


@dataclass
class GatedJudge:
    """Takes the partition's messages in their order, after `raw` has taken all of its own."""

    topic: str
    partition: int
    begin: int
    raw: RawJudge
    findings: Findings
    by_offset: dict[int, Gated] = field(default_factory=dict)
    first: dict[Frame, Gated] = field(default_factory=dict)
    order: Order = field(default_factory=Order)
    _kept: set[Frame] = field(default_factory=set)

    def take(self, gated: Gated) -> None:
        """Judge the next message."""
        self.by_offset[gated.offset] = gated
        self._check_origin(gated)
        if gated.status == "unchanged":
            self._check_reference(gated)
        if gated.frame not in self.first:
            self.first[gated.frame] = gated
            wrong = self.order.take(gated.frame, gated.raw_offset, in_turn=gated.in_turn)
            if wrong:
                self._add("out_of_order", gated, wrong)
        if gated.status == "kept":
            self._kept.add(gated.frame)

    def _check_origin(self, gated: Gated) -> None:
        offset = gated.raw_offset
        if offset is None:
            self._add("unexplained", gated, "does not say where it lies on frames-raw")
        elif offset >= self.raw.begin:
            raw = self.raw.by_offset.get(offset)
            if raw is None or raw.frame != gated.frame:
                found = "no such record" if raw is None else name_of(raw.frame)
                place = topic_place(self.raw.topic, self.partition, offset)
                self._add("unexplained", gated, f"comes from {place}, where {found} lies")
            else:
                self._check_succession(raw, gated)

    def _check_succession(self, raw: Raw, gated: Gated) -> None:
        if (raw.run, raw.seq) != (gated.run, gated.seq):
            told = f"was number {raw.seq} of run {raw.run}, is {gated.seq} of {gated.run}"
            self._add("unexplained", gated, told)
        same = raw.same_as_us == gated.same_as_us or raw.status == "captured"
        unknown = gated.status in ("rejected", MALFORMED)
        if gated.status not in _FOLLOWS[raw.status] or not (same or unknown):
            self._add("unexplained", gated, f"{raw.status} on frames-raw, here {gated.status}")
        if raw.because is not None and not unknown and gated.why != raw.because:
            told = f"kept at the edge ({raw.because}), here {gated.status} ({gated.why})"
            self._add("unexplained", gated, told)
        if not raw.possible:
            self._add("unexplained", gated, "goes on with an impossible capture time")

    def _check_reference(self, gated: Gated) -> None:
        camera, at_us = gated.frame
        seen_us = gated.same_as_us
        assert seen_us is not None  # noqa: S101 # the codec asks for it
        reference = (camera, seen_us)
        if at_us - seen_us > REFRESH_LIMIT_US:
            back_s = (at_us - seen_us) / 1e6
            self._add("unexplained", gated, f"is the same as a frame {back_s:.0f} s before")
        elif not (self._is_kept(gated, reference) or self._is_older(reference)):
            told = f"is the same as {name_of(reference)}, which was not kept before it"
            self._add("unexplained", gated, told)

    def _is_kept(self, gated: Gated, reference: Frame) -> bool:
        if reference in self._kept:
            return True
        # Dropped by a gate at the edge: that one kept the frame, this one may not have.
        raw = self.raw.by_offset.get(gated.raw_offset or 0)
        at_edge = raw is not None and raw.status == "unchanged"
        seen = self.raw.ticks.get(reference)
        # One that lost its picture on its way is known of no longer, and says so itself.
        return at_edge and seen is not None and seen.status in ("captured", "missing", MALFORMED)

    def _is_older(self, reference: Frame) -> bool:
        """Whether the frame has expired here: nothing can be said of it."""
        return self.begin > 0 and self.order.before_first(reference)

    def _add(self, kind: Kind, gated: Gated, what: str) -> None:
        place = topic_place(self.topic, self.partition, gated.offset)
        self.findings.add(kind, f"{name_of(gated.frame)}: {what}", place)
