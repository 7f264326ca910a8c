"""Detections come back to the gates that kept the frames, and gates are killed meanwhile.

What is kept then depends on when a gate learns what, so the end is not that of another run; but
nothing is lost, twice or out of order, and what is unchanged equals a frame that was inferred.
"""

from __future__ import annotations

from tests.faults.conftest import NewLine
from tests.harness.compare import broken_promises
from tests.harness.faults import died, fault, feed, members, moved, run, waiting_for
from tests.harness.load import Load
from tests.harness.observed import Owners
from tests.waiting import eventually


def test_a_camera_s_frames_and_its_detections_come_to_the_same_process(
    new_line: NewLine, load: Load
) -> None:
    line = new_line(gate={"feedback": True})
    line.start("gate", 2, failpoints={1: "gate.before-commit:9"})
    line.start_all("infer", "sql", "alerts")
    faults = [
        feed(members("gate", 2), load),
        waiting_for(died("gate-1")),
        waiting_for(moved("gate")),
        fault(members("gate", 2), "kill", "gate-2"),
        fault(members("gate", 1), "restart", "gate-2"),
        waiting_for(members("gate", 2)),
    ]
    watch = run(line, faults)
    assert watch.rebalances("gate") >= 2
    for owners in watch.all_owners("gate"):
        assert by_number(owners, line.topic("frames-raw")) == by_number(
            owners, line.topic("detections")
        )
    assert line.metric("gate", "onehertz_gate_feedback_total") > 20
    eventually(line.all_ready, 60.0, why="all that run are ready")
    line.terminate_all()
    assert broken_promises(line) == []


def by_number(owners: Owners, topic: str) -> dict[int, str]:
    """Partition numbers of one topic and who has them."""
    return {number: who for (name, number), who in owners.items() if name == topic}
