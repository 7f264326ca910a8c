"""Judges dead letters: each comes from a message that is there, and each broken message has one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from onehertz.verify.facts import Frame, name_of
from onehertz.verify.findings import Findings, topic_place
from schemas.codec import Received


class Letter(NamedTuple):
    """A dead letter. `origin` is None where its headers do not say one."""

    offset: int
    stage: str
    reason: str
    origin: tuple[str, int, int] | None  # topic, partition, offset
    content: bytes


class Broken(NamedTuple):
    """A message that its readers can't use."""

    offset: int
    why: str


def read_letter(received: Received, offset: int) -> Letter:
    """A dead letter as it was written, whatever is wrong with it."""
    own = {
        name: (value or b"").decode("utf-8", "replace")
        for name, value in received.headers or ()
        if name.startswith("dlq_")
    }
    partition, at = own.get("dlq_partition", ""), own.get("dlq_offset", "")
    topic = own.get("dlq_topic", "")
    known = topic and partition.isdecimal() and at.isdecimal()
    origin = (topic, int(partition), int(at)) if known else None
    stage, reason = own.get("dlq_stage", ""), own.get("dlq_reason", "")
    return Letter(offset, stage, reason, origin, content_of(received))


def content_of(received: Received) -> bytes:
    """A digest of key, value and headers, without those that a dead letter adds to its origin's."""
    hashed = hashlib.blake2b(digest_size=8)
    parts = [received.key or b"", received.value or b""]
    for name, value in received.headers or ():
        if not name.startswith("dlq_"):
            parts += [name.encode("utf-8", "surrogatepass"), value or b""]
    for part in parts:
        hashed.update(len(part).to_bytes(4, "big") + part)
    return hashed.digest()


@dataclass
class LetterJudge:
    """The dead letters of one partition of `topic`, whose dead letters lie on `dlq_topic`.

    `readers`: the stages that read `topic`, each with the offset before which it is done.
    """

    topic: str
    dlq_topic: str
    partition: int
    begin: int
    readers: dict[str, int]
    findings: Findings
    in_flight: int = 0
    _letters: dict[int, list[Letter]] = field(default_factory=dict)  # by offset of the origin
    _contents: dict[int, bytes] = field(default_factory=dict)
    _broken: list[Broken] = field(default_factory=list)

    def take_letters(self, letters: Iterable[Letter]) -> None:
        """All dead letters of the partition, before any message of the topic."""
        for letter in letters:
            problem = self._problem(letter)
            if problem is not None:
                self._add(letter, problem)
            elif letter.origin is not None:
                self._letters.setdefault(letter.origin[2], []).append(letter)

    def take(self, received: Received, offset: int, broken: str | None) -> None:
        """The next message of the topic; `broken`: why its readers can't use it, if they can't."""
        if broken is not None:
            self._broken.append(Broken(offset, broken))
        if offset in self._letters:
            self._contents[offset] = content_of(received)

    def finish(self) -> None:
        """Judge what was taken."""
        for offset, letters in self._letters.items():
            if offset < self.begin:
                continue  # its origin has expired
            for letter in letters:
                if offset not in self._contents:
                    place = topic_place(self.topic, self.partition, offset)
                    self._add(letter, f"comes from {place}, where nothing lies")
                elif self._contents[offset] != letter.content:
                    self._add(letter, "is not the message that lies where it comes from")
        for broken in self._broken:
            self._check_told(broken)

    def expect(self, offset: int | None, stage: str, frame: Frame) -> None:
        """A tick that `stage` has rejected for what lies at `offset`: that has a dead letter."""
        if offset is None or offset < self.begin or self.at(offset, stage) is not None:
            return
        place = topic_place(self.topic, self.partition, offset)
        told = f"{name_of(frame)}: rejected by {stage}, and not among the dead letters"
        self.findings.add("unexplained", told, place)

    def at(self, offset: int, stage: str) -> Letter | None:
        """The dead letter that `stage` wrote of the message at `offset`."""
        for letter in self._letters.get(offset, ()):
            if letter.stage == stage:
                return letter
        return None

    def offsets(self, stage: str) -> frozenset[int]:
        """The messages that `stage` has put to the dead letters."""
        return frozenset(o for o in self._letters if self.at(o, stage) is not None)

    def _problem(self, letter: Letter) -> str | None:
        if letter.origin is None:
            return "does not say where it comes from"
        if not letter.reason:
            return "gives no reason"
        if letter.origin[:2] != (self.topic, self.partition):
            return f"says that it comes from {topic_place(*letter.origin)}"
        if letter.stage not in self.readers:
            return f"is from the stage {letter.stage!r}, which does not read {self.topic}"
        return None

    def _check_told(self, broken: Broken) -> None:
        silent = [stage for stage in self.readers if self.at(broken.offset, stage) is None]
        passed: Sequence[str] = [s for s in silent if broken.offset < self.readers[s]]
        if passed:
            what = f"a message that can't be used ({broken.why}) has no dead letter from "
            place = topic_place(self.topic, self.partition, broken.offset)
            self.findings.add("unexplained", what + ", ".join(passed), place)
        elif silent:
            self.in_flight += 1

    def _add(self, letter: Letter, what: str) -> None:
        place = topic_place(self.dlq_topic, self.partition, letter.offset)
        self.findings.add("unexplained", f"a dead letter {what}", place)
