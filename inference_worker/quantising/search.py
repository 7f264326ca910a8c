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

    If all of them are too many, each group is tried alone, the rest float; then groups are added,
    the one that spoils least first, as long as all together are within the tolerance. (To leave
    groups out of the whole instead shows nothing where two of them spoil it, as in DEIMv2-femto.)
    Where nothing is within the tolerance, or time was up before: all nodes, and how they went.
    """
    whole = attempt(nodes)
    if not whole.complaint:
        return list(nodes), whole
    alone: list[tuple[Trial, list[str]]] = []
    for group in groups_of(nodes):
        if out_of_time():
            break
        alone.append((attempt(group), group))
    chosen: list[str] = []
    settled = whole
    for trial, group in sorted(alone, key=lambda one: one[0].loss):
        if trial.complaint or (chosen and out_of_time()):
            continue
        together = [node for node in nodes if node in {*chosen, *group}]
        if chosen:
            trial = attempt(together)
        if not trial.complaint:
            chosen, settled = together, trial
    return chosen or list(nodes), settled
