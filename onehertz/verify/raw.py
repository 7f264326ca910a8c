"""Judges one partition of frames-raw: numbers without gaps, capture times that rise."""

from __future__ import annotations

from dataclasses import dataclass, field

from onehertz.verify.facts import Frame, Raw, name_of
from onehertz.verify.findings import Findings, Kind, topic_place
from onehertz.verify.runs import Place, Run


@dataclass
class _Camera:
    run: str = ""
    last_us: int = -(2**63)


@dataclass
class RawJudge:
    """Takes the partition's messages in their order.

    `begin` is the first offset that can be seen; 0: nothing has expired.
    """

    topic: str
    partition: int
    begin: int
    findings: Findings
    by_offset: dict[int, Raw] = field(default_factory=dict)
    ticks: dict[Frame, Raw] = field(default_factory=dict)  # accepted ones, by first occurrence
    runs: dict[tuple[str, str], Run] = field(default_factory=dict)  # by camera and run
    _cameras: dict[str, _Camera] = field(default_factory=dict)
    _numbered: set[Frame] = field(default_factory=set)  # impossible ones that have been counted

    def take(self, raw: Raw) -> None:
        """Judge the next message."""
        self.by_offset[raw.offset] = raw
        if raw.frame in self.ticks:
            return
        if raw.possible:
            self.ticks[raw.frame] = raw
        if raw.frame in self._numbered:
            return
        if not raw.possible:
            self._numbered.add(raw.frame)
        place = self._number(raw)
        if raw.possible and not raw.ahead and place != "older":
            self._move(raw, already_told=place in ("late", "again"))

    def _number(self, raw: Raw) -> Place:
        key = (raw.frame[0], raw.run)
        run = self.runs.setdefault(key, Run(whole=self.begin == 0))
        place = run.take(raw.seq, raw.offset)
        if place == "late":
            self._add("out_of_order", raw, f"number {raw.seq} comes after later ones of its run")
        elif place == "again":
            self._add("twice", raw, f"number {raw.seq} of run {raw.run} names an earlier tick too")
        return place

    def _move(self, raw: Raw, *, already_told: bool) -> None:
        camera = self._cameras.setdefault(raw.frame[0], _Camera())
        _, at_us = raw.frame
        if at_us > camera.last_us:
            camera.run, camera.last_us = raw.run, at_us
        elif raw.run == camera.run and not already_told:
            # Of another run it is late, and rejected as such: an order of events that may be.
            behind_s = (camera.last_us - at_us) / 1e6
            self._add("out_of_order", raw, f"captured {behind_s:.3f} s before an earlier message")

    def _add(self, kind: Kind, raw: Raw, what: str) -> None:
        self.findings.add(kind, f"{name_of(raw.frame)}: {what}", self._place(raw.offset))

    def _place(self, offset: int) -> str:
        return topic_place(self.topic, self.partition, offset)
