"""The same ticks for every line: synthetic streets, and some of what goes wrong with cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

from producers.sources.street import StreetSource
from runtime.sender import Sender
from schemas.codec import Wire, encode_frame
from schemas.messages import Captured, Missing, from_us, to_us
from tests.harness.line import Line
from vision.jpeg import encode_bgr

START_US = to_us(datetime(2026, 11, 1, 12, tzinfo=UTC))
SIDE_PX = (320, 240)
# Streets in which somebody comes by, though mostly nobody does.
SEEDS = (28, 30, 2, 18, 29, 12, 22, 32, 20, 15, 8, 1)
_SECOND_US = 1_000_000
_RUN = "load"


@dataclass(frozen=True)
class Load:
    """Messages of frames-raw in the order of sending; `ticks`: how many rows they make.

    Each goes with a camera's number: cameras are dealt out to the partitions in turn, so that all
    have work. (By a hash of so few ids, one has a third and another nothing.)
    """

    wires: tuple[tuple[int, Wire], ...]
    ticks: int

    def produce(self, line: Line) -> None:
        """Send all of it, and wait until the broker has it."""
        sender = Sender(line.settings.kafka)
        partitions = line.settings.line.partitions
        for number, wire in self.wires:
            sender.send(line.topic("frames-raw"), wire, partition=number % partitions)
        assert sender.flush(60.0) == 0

    def parts(self, count: int) -> list[Load]:
        """The same messages in so many loads of about the same size, one after the other."""
        edges = [len(self.wires) * part // count for part in range(count + 1)]
        return [replace(self, wires=self.wires[a:b]) for a, b in pairwise(edges)]


def street_load(ticks: int, seeds: Sequence[int] = SEEDS) -> Load:
    """`ticks` of a street for each of `seeds`, second by second, with one oddity on each of five.

    A stretch of missing ticks, a truncated JPEG, a message whose payload is broken (its headers say
    whose tick it is), a repeat, and a frame of another run that comes too late.
    """
    if len(seeds) < 5 or ticks < 40:
        raise ValueError("the oddities need 5 cameras and 40 ticks")
    columns = [_street(number, seed, ticks) for number, seed in enumerate(seeds)]
    _make_odd(columns)
    wires = [
        (number, wire)
        for second in zip(*columns, strict=True)
        for number, sent in enumerate(second)
        for wire in sent
    ]
    return Load(tuple(wires), len(seeds) * ticks + 1)


def _street(number: int, seed: int, ticks: int) -> list[list[Wire]]:
    source = StreetSource(seed=seed, width=SIDE_PX[0], height=SIDE_PX[1], activity=0.4, noise=1.0)
    name = f"street-{number:02}"
    return [
        [_wire(_captured(name, seq, encode_bgr(source.render(seq), 80)))] for seq in range(ticks)
    ]


def _make_odd(columns: list[list[list[Wire]]]) -> None:
    for seq in range(20, 26):
        columns[0][seq] = [_wire(_missing("street-00", seq))]
    [whole] = columns[1][30]
    columns[1][30] = [whole._replace(value=whole.value[:500])]
    broken = _wire(_missing("street-02", 25))
    columns[2][25] = [broken._replace(value=broken.value[:-5])]
    columns[3][35] += columns[3][30]
    [frame] = columns[4][10]
    columns[4][36] += [_wire(_captured("street-04", 0, frame.value, run="spool", at_s=5.5))]


def _captured(
    camera: str, seq: int, jpeg: bytes, *, run: str = _RUN, at_s: float | None = None
) -> Captured:
    at_us = START_US + round((seq if at_s is None else at_s) * _SECOND_US)
    return Captured(
        camera=camera,
        captured_at=from_us(at_us),
        run=run,
        seq=seq,
        width=SIDE_PX[0],
        height=SIDE_PX[1],
        jpeg=jpeg,
    )


def _missing(camera: str, seq: int) -> Missing:
    at = from_us(START_US + seq * _SECOND_US)
    return Missing(camera=camera, captured_at=at, run=_RUN, seq=seq, reason="stalled")


def _wire(record: Captured | Missing) -> Wire:
    return encode_frame(record, "produce")
