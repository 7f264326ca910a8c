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

    If all of them are too many, each group is left out alone; then groups stay float one after the
    other, the one that helps most first. Where nothing is within the tolerance, or time is up,
    the best of what was tried.
    """
    chosen = list(nodes)
    best = attempt(chosen)
    if not best.complaint:
        return chosen, best
    alone = []
    for group in groups_of(nodes):
        if out_of_time():
            break
        alone.append((attempt(_without(nodes, group)).loss, group))
    left, left_trial = chosen, best
    for _, group in sorted(alone, key=lambda one: one[0]):
        left = _without(left, group)
        if not left or out_of_time():
            break
        left_trial = attempt(left)
        if left_trial.loss < best.loss:
            chosen, best = left, left_trial
        if not left_trial.complaint:
            return left, left_trial
    return chosen, best


def _without(nodes: Sequence[str], group: Sequence[str]) -> list[str]:
    gone = set(group)
    return [node for node in nodes if node not in gone]
