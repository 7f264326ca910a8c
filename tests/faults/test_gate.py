"""Some gates, eight partitions: killed, also between output and commit; stopped and woken; added
and taken away.
"""

from __future__ import annotations

import os
import random
import signal
from itertools import pairwise

import pytest

from tests.faults.conftest import NewLine
from tests.faults.ends import assert_same_end
from tests.harness.compare import Ending
from tests.harness.faults import (
    another,
    died,
    fault,
    feed,
    members,
    records,
    run,
    stands_still,
    waiting_for,
)
from tests.harness.load import Load
from tests.harness.observed import fenced, repeats


def test_gates_that_are_killed_in_mid_backlog_change_nothing(
    new_line: NewLine, load: Load, reference: Ending
) -> None:
    # Few snapshots: partitions are taken over at offset 0, with much to do again.
    line = new_line(checkpoint={"snapshot_interval_s": 4})
    line.start("gate", 3, failpoints={1: "gate.before-commit:2"})
    line.start_all("infer", "sql", "alerts")
    faults = [
        feed(members("gate", 3), load),
        fault(records("frames-gated", 100), "kill", "gate-2"),
        fault(died("gate-1"), "restart", "gate-2"),
    ]
    watch = run(line, faults)
    assert ("gate-1", -signal.SIGKILL) in line.deaths
    assert watch.rebalances("gate") > 0
    assert repeats(line, "frames-gated", "read_uncommitted") > 0, "nothing was gated twice"
    assert_same_end(line, reference)


def test_a_gate_that_wakes_up_after_its_partitions_have_moved_is_fenced(
    new_line: NewLine, load: Load, reference: Ending
) -> None:
    line = new_line()
    line.start("gate", 3, failpoints={3: "gate.before-commit:2:stop"})
    line.start_all("infer", "sql", "alerts")
    faults = [
        feed(members("gate", 3), load),
        waiting_for(stands_still("gate-3")),
        fault(members("gate", 2), "cont", "gate-3"),
    ]
    watch = run(line, faults)
    assert watch.rebalances("gate") > 0
    assert fenced(line, "gate-3"), "no sender was fenced"
    assert repeats(line, "frames-gated", "read_uncommitted") > 0, "nothing was gated twice"
    assert_same_end(line, reference)


@pytest.mark.parametrize("seed", [int(os.environ.get("FAULT_SEED", "1"))])
def test_gates_that_come_sleep_and_go_at_random_moments_change_nothing(
    seed: int, new_line: NewLine, load: Load, reference: Ending
) -> None:
    chance = random.Random(seed)
    line = new_line()
    line.start_all("gate", "infer", "sql", "alerts")
    parts = load.parts(4)
    sent = [sum(len(part.wires) for part in parts[:n]) for n in range(5)]
    sleeps, goes = (chance.choice(["gate-1", "gate-2"]) for _ in range(2))
    # Less than a part is ever under way, and of that a random share is gated.
    gated = [records("frames-gated", chance.randrange(a + 5, b - 80)) for a, b in pairwise(sent)]
    faults = [
        feed(members("gate", 1), parts[0]),
        another(gated[0], "gate"),
        feed(gated[0], parts[1]),
        feed(members("gate", 2), parts[2]),
        fault(gated[2], "stop", sleeps),
        fault(members("gate", 1), "cont", sleeps),  # its session has ended
        feed(members("gate", 2), parts[3]),
        fault(gated[3], "terminate", goes),
        waiting_for(members("gate", 1)),
    ]
    watch = run(line, faults)
    assert watch.rebalances("gate") >= 3
    assert_same_end(line, reference)
