"""Judges one partition of detections: each record follows from its tick on frames-gated."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final

from onehertz.verify.facts import MALFORMED, REFRESH_LIMIT_US, Frame, Gated, Result, name_of
from onehertz.verify.findings import Findings, Kind, topic_place
from onehertz.verify.gated import GatedJudge
from onehertz.verify.order import Order
from onehertz.verify.ranking import winner

# What may become of a tick at the worker.
_FOLLOWS: Final = {
    "kept": frozenset({"inferred", "rejected"}),
    "unchanged": frozenset({"unchanged"}),
    "rejected": frozenset({"rejected"}),
    "missing": frozenset({"missing"}),
    MALFORMED: frozenset({"rejected"}),
}


@dataclass
class ResultJudge:
    """Takes the partition's messages in their order, after `gated` has taken all of its own.

    `settled`: the SQL sink has done what lies before this offset. `refused`: offsets that it has
    put to the dead letters, so that they make no row.
    """

    topic: str
    partition: int
    begin: int
    settled: int
    refused: Container[int]
    gated: GatedJudge
    findings: Findings
    winners: dict[Frame, Result] = field(default_factory=dict)
    _displaced: dict[Frame, list[Result]] = field(default_factory=dict)  # since `settled`
    models: set[str] = field(default_factory=set)
    seen: dict[Frame, int] = field(default_factory=dict)  # first offset
    order: Order = field(default_factory=Order)

    def take(self, result: Result) -> None:
        """Judge the next message."""
        self._check_origin(result)
        if result.said.status == "unchanged":
            self._check_reference(result)
        if result.frame not in self.seen:
            self.seen[result.frame] = result.offset
            origin = result.said.gated_offset
            wrong = self.order.take(result.frame, origin, in_turn=result.in_turn)
            if wrong:
                self._add("out_of_order", result, wrong)
        if result.said.model is not None:
            self.models.add(result.said.model)
        if result.offset not in self.refused:
            self._rank(result)

    def row_may_be(self, frame: Frame) -> tuple[Result, ...]:
        """The records that the tick's row may come from, the winner first.

        More than one only where the sink may not have seen the winner yet.
        """
        return (self.winners[frame], *self._displaced.get(frame, ()))

    def _rank(self, result: Result) -> None:
        held = self.winners.get(result.frame)
        best = result if held is None else winner((held, result))
        if held is not None and best is not held and best.offset >= self.settled:
            self._displaced.setdefault(result.frame, []).append(held)
        self.winners[result.frame] = best

    def _check_origin(self, result: Result) -> None:
        offset = result.said.gated_offset
        if offset is None:
            self._add("unexplained", result, "does not say where it lies on frames-gated")
        elif offset >= self.gated.begin:
            gated = self.gated.by_offset.get(offset)
            if gated is None or gated.frame != result.frame:
                found = "no such record" if gated is None else name_of(gated.frame)
                place = topic_place(self.gated.topic, self.partition, offset)
                self._add("unexplained", result, f"comes from {place}, where {found} lies")
            else:
                self._check_succession(gated, result)

    def _check_succession(self, gated: Gated, result: Result) -> None:
        said = result.said
        if said.status not in _FOLLOWS[gated.status]:
            self._add("unexplained", result, f"{gated.status} on frames-gated, here {said.status}")
            return
        before = (gated.run, gated.seq, gated.raw_offset, gated.same_as_us)
        if before != (said.run, said.seq, said.raw_offset, said.same_as_us):
            told = "run, number, raw offset or same_as differ from frames-gated"
            self._add("unexplained", result, f"{told} at {gated.offset}")
        why = said.because or said.reason
        rejected_here = gated.status in ("kept", MALFORMED) and said.status == "rejected"
        if why != gated.why and not rejected_here:
            self._add("unexplained", result, f"{gated.why} on frames-gated, here {why}")

    def _check_reference(self, result: Result) -> None:
        camera, at_us = result.frame
        seen_us = result.said.same_as_us
        assert seen_us is not None  # noqa: S101 # the codec asks for it
        reference = (camera, seen_us)
        if at_us - seen_us > REFRESH_LIMIT_US:
            back_s = (at_us - seen_us) / 1e6
            self._add("unexplained", result, f"is the same as a frame {back_s:.0f} s before")
        elif self.begin > 0 and self.order.before_first(reference):
            return
        elif not (self._was_looked_at(reference) or self._is_edges(result)):
            told = f"is the same as {name_of(reference)}, which no model has looked at"
            self._add("unexplained", result, told)

    def _was_looked_at(self, reference: Frame) -> bool:
        found = self.winners.get(reference)
        if found is None:
            return False
        if found.said.status == "inferred":
            return True
        # Kept, and then unreadable to the worker.
        gated = self.gated.first.get(reference)
        return gated is None or gated.status == "kept"

    def _is_edges(self, result: Result) -> bool:
        """Dropped by a gate at the edge: what that one kept may have been rejected on its way."""
        raw = self.gated.raw.by_offset.get(result.said.raw_offset or 0)
        return raw is not None and raw.status == "unchanged"

    def _add(self, kind: Kind, result: Result, what: str) -> None:
        place = topic_place(self.topic, self.partition, result.offset)
        self.findings.add(kind, f"{name_of(result.frame)}: {what}", place)
