"""Three gates over eight partitions: killed, also between output and commit; stopped and woken."""

from __future__ import annotations

import signal

from tests.faults.conftest import NewLine
from tests.faults.ends import assert_same_end
from tests.harness.compare import Ending
from tests.harness.faults import died, fault, members, records, run
from tests.harness.observed import repeats


def test_gates_that_are_killed_in_mid_backlog_change_nothing(
    new_line: NewLine, reference: Ending
) -> None:
    line = new_line()
    line.start("gate", 3, failpoints={1: "gate.before-commit:2"})
    for role in ("infer", "sql", "alerts"):
        line.start(role)
    faults = [
        fault(died("gate-1"), "kill", "gate-2"),
        fault(records("frames-gated", 100), "restart", "gate-2"),
    ]
    watch = run(line, faults)
    assert ("gate-1", -signal.SIGKILL) in line.deaths
    assert watch.rebalances("gate") > 0
    assert repeats(line, "frames-gated", "read_uncommitted") > 0, "nothing was gated twice"
    assert_same_end(line, reference)


def test_a_gate_that_wakes_up_after_its_partitions_have_moved_is_fenced(
    new_line: NewLine, reference: Ending
) -> None:
    line = new_line()
    line.start("gate", 3, failpoints={3: "gate.before-commit:2:stop"})
    for role in ("infer", "sql", "alerts"):
        line.start(role)
    faults = [
        fault(stopped("gate-3"), "look", "gate-3"),
        fault(members_without("gate", 2), "cont", "gate-3"),
    ]
    watch = run(line, faults)
    assert watch.rebalances("gate") > 0
    assert line.metric("gate", "onehertz_fenced_total") > 0, "no sender was fenced"
    assert_same_end(line, reference)
