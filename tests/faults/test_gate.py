"""Three gates, eight partitions: killed, also between output and commit; stopped and woken."""

from __future__ import annotations

import signal

from tests.faults.conftest import NewLine
from tests.faults.ends import assert_same_end
from tests.harness.compare import Ending
from tests.harness.faults import died, fault, feed, members, records, run, stands_still, waiting_for
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
