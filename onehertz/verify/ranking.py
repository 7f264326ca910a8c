"""Which record of a tick its row must come from. Written for verify; not the sink's own code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from onehertz.verify.facts import Result

_BEST_FIRST: Final = ("inferred", "unchanged", "rejected", "missing")


def winner(records: Iterable[Result]) -> Result:
    """Of one tick's records: the best status; among equals the one that came first.

    Raises ValueError if there are none.
    """
    return min(records, key=lambda record: (_BEST_FIRST.index(record.said.status), record.offset))
