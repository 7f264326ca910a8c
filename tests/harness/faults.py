"""Faults at chosen or seeded points of a run: each is logged with where the line stood."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from runtime.errors import FatalError
from tests.harness.line import HarnessError, Line, Role
from tests.harness.load import Load
from tests.harness.observed import INPUTS, Watch, is_drained
from tests.waiting import TooLate, eventually

Action = Literal["kill", "stop", "cont", "restart", "terminate"]
_ASK_EVERY_S = 0.04
_LOOK_EVERY_S = 0.3
_DRAINED_EVERY_S = 0.3


@dataclass(frozen=True)
class Condition:
    """Something to wait for."""

    text: str
    holds: Callable[[Watch], bool]


@dataclass(frozen=True)
class Fault:
    """What is done to the line once `at` holds."""

    at: Condition
    text: str
    do: Callable[[Line], None]


def fault(at: Condition, action: Action, name: str) -> Fault:
    """A signal for, or a restart of, one process."""
    return Fault(at, f"{action} {name}", lambda line: getattr(line, action)(name))


def waiting_for(at: Condition) -> Fault:
    """No fault: the next one's condition is looked at only after this one has come true."""
    return Fault(at, "nothing is done", lambda _line: None)


def another(at: Condition, role: Role) -> Fault:
    """No fault: one more process of a role."""
    return Fault(at, f"another {role} starts", lambda line: line.start_another(role))


def feed(at: Condition, load: Load) -> Fault:
    """No fault: the whole load arrives at once, so that every stage has a backlog."""
    return Fault(at, f"{load.ticks} ticks arrive", load.produce)


# ---------------------------------------------------------------- conditions


def records(topic: str, count: int) -> Condition:
    """The topic has come to hold so many committed records (and transactions' markers)."""
    return Condition(
        f"{count} records on {topic}", lambda watch: sum(watch.ends(topic).values()) >= count
    )


def more_records(topic: str) -> Condition:
    """The topic has grown since this was first looked at."""
    first: list[int] = []

    def holds(watch: Watch) -> bool:
        now = sum(watch.ends(topic).values())
        first.append(now)
        return now > first[0]

    return Condition(f"more records on {topic}", holds)


def rows(count: int) -> Condition:
    """The table `frames` has so many rows."""
    return Condition(f"{count} rows", lambda watch: watch.line.rows() >= count)


def members(role: Role, count: int) -> Condition:
    """The role's group is settled, all partitions belonging to so many processes."""

    def holds(watch: Watch) -> bool:
        inputs = {watch.line.topic(name) for name in INPUTS[role]}
        owners = {at: who for at, who in (watch.owners(role) or {}).items() if at[0] in inputs}
        all_of_them = watch.line.settings.line.partitions * len(inputs)
        return len(owners) == all_of_them and len(set(owners.values())) == count

    return Condition(f"{count} members share {role}", holds)


def moved(role: Role) -> Condition:
    """Partitions of the role's group have gone from one process to another."""
    return Condition(f"partitions of {role} have moved", lambda watch: watch.rebalances(role) > 0)


def died(name: str) -> Condition:
    """The process has ended by itself: its failpoint was hit."""
    return Condition(f"{name} has died", lambda watch: name in dict(watch.line.deaths))


def ended(name: str) -> Condition:
    """The process has ended, with exit code 0."""

    def holds(watch: Watch) -> bool:
        one = watch.line.processes[name]
        return not one.is_running and one.process.returncode == 0

    return Condition(f"{name} has ended", holds)


def says(name: str, text: str) -> Condition:
    """The process' log has it."""
    return Condition(f"{name} says {text!r}", lambda watch: text in watch.line.log_of(name))


def stands_still(name: str) -> Condition:
    """The process has been stopped: its failpoint was hit."""
    return Condition(f"{name} stands still", lambda watch: watch.line.stands_still(name))


def all_ready(*roles: Role) -> Condition:
    """Every process of these roles says that it is ready for work."""

    def holds(watch: Watch) -> bool:
        names = [name for role in roles for name in watch.line.instances(role)]
        return all(watch.line.processes[name].is_ready() for name in names)

    return Condition(f"all of {', '.join(roles)} are ready", holds)


# ---------------------------------------------------------------- the run


def run(
    line: Line,
    faults: Sequence[Fault] = (),
    until: Condition | None = None,
    within_s: float = 120.0,
) -> Watch:
    """Let the line work off its load, one fault after the other as its condition comes true.

    What dies by itself is started again. Returns what was seen meanwhile, once all is done and
    committed, or `until` holds. Raises HarnessError when that, or a fault's condition, does not
    come in time.
    """
    watch = Watch(line)
    deadline = time.monotonic() + within_s
    for one in faults:
        _wait(watch, one.at, deadline)
        line.note(f"{one.text} at {one.at.text}: {_where(watch)}")
        one.do(line)
    drained = Condition("all is done", _every(_DRAINED_EVERY_S, _is_drained))
    _wait(watch, until or drained, deadline)
    return watch


def seeded(seed: int, names: Sequence[str], ticks: int) -> list[Fault]:
    """A kill of each process, in the order given, at points that are drawn by a seed.

    All come in the first two thirds of the rows that are to be written. Each process is started
    again once its role's other processes have taken over, or right away, as the seed will have it.
    """
    chance = random.Random(seed)
    points = sorted(chance.sample(range(ticks // 20, ticks * 2 // 3), len(names)))
    faults = []
    for point, name in zip(points, names, strict=True):
        role, _, _ = name.rpartition("-")
        back_at = members(cast("Role", role), 1) if chance.random() < 0.5 else rows(0)
        faults += [fault(rows(point), "kill", name), fault(back_at, "restart", name)]
    return faults


def _wait(watch: Watch, condition: Condition, deadline: float) -> None:
    line = watch.line
    roles: list[Role] = [
        role for role in ("gate", "infer", "sql", "alerts") if line.instances(role)
    ]
    look_at = 0.0

    def holds() -> bool:
        nonlocal look_at
        if condition.holds(watch):
            return True
        line.tend()
        if time.monotonic() > look_at:
            for role in roles:
                watch.owners(role)
            look_at = time.monotonic() + _LOOK_EVERY_S
        return False

    try:
        eventually(holds, deadline - time.monotonic(), every_s=_ASK_EVERY_S)
    except TooLate:
        where = _where(watch)
        told = f"waited in vain for: {condition.text}; {where}\n{line.logs()}"
        raise HarnessError(told) from None


def _is_drained(watch: Watch) -> bool:
    try:
        return is_drained(watch.line)
    except FatalError:
        return False  # the broker is away


def _every(seconds: float, true: Callable[[Watch], bool]) -> Callable[[Watch], bool]:
    """As `true`, which is costly: asked at most so often, and false in between."""
    next_at = 0.0

    def holds(watch: Watch) -> bool:
        nonlocal next_at
        if time.monotonic() < next_at:
            return False
        answer = true(watch)
        next_at = time.monotonic() + seconds
        return answer

    return holds


def _where(watch: Watch) -> str:
    """Committed offsets and ends of topics, for the log."""
    ends = {
        topic: list(watch.ends(topic).values())
        for topic in ("frames-raw", "frames-gated", "detections", "alerts")
    }
    committed = {
        role: watch.committed(role)
        for role in ("gate", "infer", "sql", "alerts")
        if watch.line.instances(role)
    }
    return f"rows {watch.line.rows()}, ends {ends}, committed {committed}"
