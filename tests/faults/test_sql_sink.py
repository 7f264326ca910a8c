"""Three SQL sinks, eight partitions: killed, also between rows and commit; stopped and woken."""

from __future__ import annotations

import signal

from tests.faults.conftest import NewLine
from tests.faults.ends import assert_same_end
from tests.harness.compare import Ending
from tests.harness.faults import died, fault, feed, members, rows, run, stands_still, waiting_for
from tests.harness.load import Load


def test_sql_sinks_that_are_killed_in_mid_backlog_change_nothing(
    new_line: NewLine, load: Load, reference: Ending
) -> None:
    line = new_line()
    line.start("sql", 3, failpoints={1: "sql.before-commit:2"})
    line.start_all("gate", "infer", "alerts")
    faults = [
        feed(members("sql", 3), load),
        waiting_for(died("sql-1")),
        fault(rows(300), "kill", "sql-2"),
        fault(members("sql", 2), "restart", "sql-2"),
    ]
    watch = run(line, faults)
    assert ("sql-1", -signal.SIGKILL) in line.deaths
    assert watch.rebalances("sql") > 0
    assert line.metric("sql", "onehertz_repeats_total") > 0, "no record was written twice"
    assert_same_end(line, reference)


def test_a_sql_sink_that_wakes_up_after_its_partitions_have_moved_changes_nothing(
    new_line: NewLine, load: Load, reference: Ending
) -> None:
    line = new_line()
    line.start("sql", 3, failpoints={3: "sql.before-commit:2:stop"})
    line.start_all("gate", "infer", "alerts")
    faults = [
        feed(members("sql", 3), load),
        waiting_for(stands_still("sql-3")),
        fault(members("sql", 2), "cont", "sql-3"),
    ]
    watch = run(line, faults)
    assert watch.rebalances("sql") > 0
    assert "the group went on without us" in line.log_of("sql-3"), "it has lost nothing"
    assert line.metric("sql", "onehertz_repeats_total") > 0, "no record was written twice"
    assert_same_end(line, reference)
