"""Three workers, eight partitions: killed, also between output and commit; stopped and woken."""

from __future__ import annotations

import signal

from tests.faults.conftest import NewLine
from tests.faults.ends import assert_same_end
from tests.harness.compare import Ending
from tests.harness.faults import died, fault, feed, members, records, run, stands_still, waiting_for
from tests.harness.load import Load
from tests.harness.observed import repeats


def test_workers_that_are_killed_in_mid_backlog_change_nothing(
    new_line: NewLine, load: Load, reference: Ending
) -> None:
    line = new_line()
    line.start("infer", 3, failpoints={1: "infer.before-commit:3"})
    line.start_all("gate", "sql", "alerts")
    faults = [
        feed(members("infer", 3), load),
        waiting_for(died("infer-1")),
        fault(records("detections", 300), "kill", "infer-2"),
        fault(members("infer", 2), "restart", "infer-2"),
    ]
    watch = run(line, faults)
    assert ("infer-1", -signal.SIGKILL) in line.deaths
    assert watch.rebalances("infer") > 0
    assert repeats(line, "detections") > 0, "nothing was inferred twice"
    assert_same_end(line, reference)


def test_a_worker_that_wakes_up_after_its_partitions_have_moved_changes_nothing(
    new_line: NewLine, load: Load, reference: Ending
) -> None:
    line = new_line()
    line.start("infer", 3, failpoints={3: "infer.before-commit:3:stop"})
    line.start_all("gate", "sql", "alerts")
    faults = [
        feed(members("infer", 3), load),
        waiting_for(stands_still("infer-3")),
        fault(members("infer", 2), "cont", "infer-3"),
    ]
    watch = run(line, faults)
    assert watch.rebalances("infer") > 0
    assert "the group went on without us" in line.log_of("infer-3"), "it has lost nothing"
    assert repeats(line, "detections") > 0, "nothing was inferred twice"
    assert_same_end(line, reference)
