"""What is wrong: counted whole, and the first of each kind kept to be shown."""

from __future__ import annotations

from collections import Counter
from itertools import chain, zip_longest
from typing import Final, Literal, NamedTuple, get_args

# lost: something that must be there is not.
# twice: something that must be there once is there more than once.
# out_of_order: a camera's first occurrences do not rise.
# unexplained: any other contradiction between topics and tables.
Kind = Literal["lost", "twice", "out_of_order", "unexplained"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_KEPT = 20  # of each kind; a line that is all wrong must not fill the memory


class Finding(NamedTuple):
    """One contradiction: what, and how to look at it."""

    kind: Kind
    what: str
    look: str


class Findings:
    """Collects contradictions."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self._kept: dict[Kind, list[Finding]] = {kind: [] for kind in KINDS}

    def add(self, kind: Kind, what: str, look: str, count: int = 1) -> None:
        """Note one finding that stands for `count` contradictions."""
        self.counts[kind] += count
        kept = self._kept[kind]
        if len(kept) < _KEPT:
            kept.append(Finding(kind, what, look))

    def first(self, number: int) -> list[Finding]:
        """At most `number` findings, every kind having its turn."""
        turns = zip_longest(*self._kept.values())
        found = [one for one in chain.from_iterable(turns) if one is not None][:number]
        return sorted(found, key=lambda one: KINDS.index(one.kind))


def topic_place(topic: str, partition: int, offset: int) -> str:
    """Where a message lies, as the tools write it."""
    return f"{topic}[{partition}]@{offset}"
