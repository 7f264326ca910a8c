"""Which nodes must stay float: found by trying, within a limited time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Parts of the graph that are tried at once: node by node would take an hour.
GROUPS = 12


@dataclass(frozen=True)
class Trial:
    """How far a quantised form is off its float one."""

    loss: float
    complaint: str  # empty: within the tolerance


Try = Callable[[Sequence[str]], Trial]


def groups_of(nodes: Sequence[str], count: int = GROUPS) -> list[list[str]]:
    """The nodes in at most `count` runs of about equal length, in their order."""
    count = max(1, min(count, len(nodes)))
    ends = [round(len(nodes) * number / count) for number in range(count + 1)]
    return [list(nodes[first:last]) for first, last in itertools.pairwise(ends)]


def settle(
    nodes: Sequence[str], attempt: Try, out_of_time: Callable[[], bool]
) -> tuple[list[str], Trial]:
    """The nodes to quantise, as many as are within the tolerance, and how that went.

    If all of them are too many, each group is tried alone, the rest float. Those that are too far
    off by themselves stay float, and then more, the one that spoils most first, until what is left
    is within the tolerance. (To leave single groups out of the whole shows nothing where two of
    them spoil it, as in DEIMv2-femto.) When time is up, the best group alone; where nothing is
    within the tolerance all nodes, and how they went.
    """
    whole = attempt(nodes)
    if not whole.complaint:
        return list(nodes), whole
    alone: list[tuple[Trial, list[str]]] = []
    for group in groups_of(nodes):
        if out_of_time():
            break
        alone.append((attempt(group), group))
    bearable = sorted((one for one in alone if not one[0].complaint), key=lambda one: one[0].loss)
    left = bearable
    while len(left) > 1 and not out_of_time():
        chosen = {node for _, group in left for node in group}
        together = [node for node in nodes if node in chosen]
        trial = attempt(together)
        if not trial.complaint:
            return together, trial
        left = left[:-1]
    return (bearable[0][1], bearable[0][0]) if bearable else (list(nodes), whole)
