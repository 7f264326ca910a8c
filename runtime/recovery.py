"""Where a new owner of a partition goes on, decided from what earlier owners left behind.

Pure: runtime/checkpoint.py reads what is decided on here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.errors import FatalError
from schemas.messages import Snapshot


class Expired(FatalError):
    """Retention has deleted input that was not read yet."""


@dataclass(frozen=True)
class Left:
    """One partition as an earlier owner left it. Offsets are those of the input."""

    low: int  # the first offset that the input still has
    high: int  # the offset that its next record will have
    committed: int | None  # the group's
    snapshots: Mapping[str, Snapshot]  # the last one of each camera
    newest_output: int = -1  # what the output topic's last record came of; -1: it is empty


@dataclass(frozen=True)
class Taken:
    """One partition as a new owner finds it."""

    start: int  # the input offset to go on at
    published_to: int = -1  # the last input offset of which the output topic holds the result
    states: dict[str, bytes] = field(default_factory=dict)  # by camera, as of `start`
    made_anew: bool = False  # the input was deleted and made anew: nothing of before counts
    feedback: int | None = None  # where to go on in the second input; None: there is none


def taken_over(left: Left, input_id: str) -> Taken:
    """Where to go on, with which state. Raises Expired.

    Offsets move forward only with snapshots, in one transaction; so the furthest of both is right,
    and a group's offsets that Kafka forgot (it was empty for a week) are known from the snapshots.

    The output's end counts only beside a snapshot of this very input. Without one its last record
    may have come from an input of the same name before: what comes now would be taken for
    published and be lost. To publish something twice is harmless.
    """
    current = {c: s for c, s in left.snapshots.items() if s.topic_id == input_id}
    start = max([left.committed or 0, *(snapshot.offset for snapshot in current.values())])
    if (left.snapshots and not current) or start > left.high:
        return Taken(left.low, made_anew=True)
    if not current and left.committed is None:
        return Taken(left.low)
    if start < left.low:
        raise Expired(f"{left.low - start} records expired before they were read")
    if not current:
        return Taken(start)
    return Taken(start, left.newest_output, {c: s.state for c, s in current.items()})


def feedback_start(low: int, high: int, committed: int | None) -> int:
    """Where to go on in a second input that has records from `low` to before `high`.

    Without an offset at its end: what lies there was seen in frames that no state remembers. What
    retention has deleted is no loss that anybody must be told of.
    """
    return high if committed is None else min(max(committed, low), high)
