"""Where a tick's time went, from the producer taking it to its row. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from schemas.messages import StageTimes


class Timeline(NamedTuple):
    """One tick's latencies in milliseconds. They follow each other: `total` is their sum.

    A stage's latency ends when the next one has the record in hand, so it has the waits in it that
    the stage is the reason of (the gate's: until its checkpoint is published).
    """

    captured_at_us: int
    produce: float  # from taking the frame to giving it to Kafka's client
    gate: float  # until the worker took it
    infer: float  # until the worker gave its result to Kafka's client
    sql: float  # until its row was written

    @property
    def total(self) -> float:
        return self.produce + self.gate + self.infer + self.sql


def timeline(captured_at_us: int, stages: Mapping[str, StageTimes], row_us: int) -> Timeline:
    """Raises KeyError where a stage left no times."""
    took_us, produced_us = stages["produce"]
    inferring_us, inferred_us = stages["infer"]
    steps = (took_us, produced_us, inferring_us, inferred_us, row_us)
    spans = [(end - start) / 1000 for start, end in pairwise(steps)]
    return Timeline(captured_at_us, *spans)


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile. Raises IndexError of nothing."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
