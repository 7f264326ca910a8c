"""Three alert sinks, eight partitions: killed between alerts and commit, or stopped and woken."""

from __future__ import annotations

import signal

from tests.faults.conftest import NewLine
from tests.faults.ends import assert_same_end
from tests.harness.compare import Ending
from tests.harness.faults import died, fault, feed, members, run, stands_still, waiting_for
from tests.harness.load import Load
from tests.harness.observed import fenced, repeats


def test_alert_sinks_that_are_killed_raise_every_alert_once(
    new_line: NewLine, load: Load, reference: Ending
) -> None:
    line = new_line()
    line.start("alerts", 3, failpoints={1: "alerts.before-commit:2", 2: "alerts.before-commit:1"})
    line.start_all("gate", "infer", "sql")
    faults = [
        feed(members("alerts", 3), load),
        waiting_for(died("alerts-1")),
        waiting_for(died("alerts-2")),
    ]
    watch = run(line, faults)
    assert {("alerts-1", -signal.SIGKILL), ("alerts-2", -signal.SIGKILL)} <= set(line.deaths)
    assert watch.rebalances("alerts") > 0
    assert repeats(line, "alerts", "read_uncommitted") > 0, "no alert was raised twice"
    assert_same_end(line, reference)


def test_an_alert_sink_that_wakes_up_after_its_partitions_have_moved_is_fenced(
    new_line: NewLine, load: Load, reference: Ending
) -> None:
    line = new_line()
    line.start("alerts", 3, failpoints={3: "alerts.before-commit:1:stop"})
    line.start_all("gate", "infer", "sql")
    faults = [
        feed(members("alerts", 3), load),
        waiting_for(stands_still("alerts-3")),
        fault(members("alerts", 2), "cont", "alerts-3"),
    ]
    watch = run(line, faults)
    assert watch.rebalances("alerts") > 0
    assert fenced(line, "alerts-3"), "no sender was fenced"
    assert repeats(line, "alerts", "read_uncommitted") > 0, "no alert was raised twice"
    assert_same_end(line, reference)
