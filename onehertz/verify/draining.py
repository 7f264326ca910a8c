"""Waits until the stages have done what was there, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable

from onehertz.verify.reading import READERS, LineReader, Reader

_INTERVAL_S = 0.5


def wait_until_drained(
    reader: LineReader, wait_s: float, tell: Callable[[str], None], sleep: Callable[[float], None]
) -> str:
    """Wait at most `wait_s` seconds; the stage that is not done then, '' if all are.

    A stage's target is set when the stage before it is done: a line that goes on working drains.
    """
    until_s = time.monotonic() + wait_s
    for one in READERS:
        targets = {number: reader.last(one.topic, number) + 1 for number in reader.partitions}
        while left := _left(reader, one, targets):
            tell(f"waiting for the stage '{one.stage}': {left} messages of {one.topic} to go")
            if time.monotonic() >= until_s:
                return one.stage
            sleep(_INTERVAL_S)
    return ""


def _left(reader: LineReader, one: Reader, targets: dict[int, int]) -> int:
    done = reader.committed(one.stage, one.topic)
    return sum(max(0, target - done[number]) for number, target in targets.items())
