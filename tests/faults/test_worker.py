"""Three workers, eight partitions: killed, also between output and commit; stopped and woken."""

from __future__ import annotations

import os
import random
import signal
from datetime import UTC, datetime

from runtime.sender import Sender
from schemas.codec import decode_result, encode_frame
from schemas.messages import Missing, Rejected
from tests.faults.conftest import NewLine
from tests.faults.ends import assert_same_end
from tests.harness.compare import Ending
from tests.harness.faults import (
    another,
    died,
    fault,
    feed,
    members,
    more_records,
    records,
    run,
    stands_still,
    waiting_for,
)
from tests.harness.load import Load
from tests.harness.observed import messages, repeats

SEED = int(os.environ.get("FAULT_SEED", "1"))


def test_a_tick_that_the_worker_can_not_read_goes_on_as_rejected(new_line: NewLine) -> None:
    line = new_line()
    whole = Missing(
        camera="north", captured_at=datetime(2026, 11, 1, tzinfo=UTC), run="a", seq=0, raw_offset=0,
        reason="stalled",
    )  # fmt: skip
    wire = encode_frame(whole, "gate")
    sender = Sender(line.settings.kafka)
    sender.send(line.topic("frames-gated"), wire._replace(value=wire.value[:-5]), partition=3)
    assert sender.flush(30.0) == 0
    line.start("infer")
    run(line, until=records("detections", 1))
    line.terminate_all()
    [result] = messages(line, "detections")
    record = decode_result(result.message)
    assert isinstance(record, Rejected)
    assert (record.reason, record.frame, record.gated_offset) == ("malformed", whole.frame, 0)
    [letter] = messages(line, "frames-gated-dlq")
    assert (letter.header("dlq_stage"), letter.header("dlq_offset")) == ("infer", "0")


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


def test_one_worker_two_and_one_again_stopped_and_killed_at_random_points_change_nothing(
    new_line: NewLine, load: Load, reference: Ending
) -> None:
    line = new_line()
    line.start_all("gate", "infer", "sql", "alerts")
    chance, size = random.Random(SEED), load.ticks // 4
    first, second, third = (
        size * part + chance.randrange(size // 6, size * 5 // 6) for part in (0, 1, 3)
    )
    parts = load.parts(4)
    faults = [
        feed(members("infer", 1), parts[0]),
        another(records("detections", first), "infer"),
        feed(members("infer", 2), parts[1]),
        # It sleeps longer than its session, and wakes with batches in hand.
        fault(records("detections", second), "stop", "infer-1"),
        feed(members("infer", 1), parts[2]),
        fault(more_records("detections"), "cont", "infer-1"),
        feed(members("infer", 2), parts[3]),
        fault(records("detections", third), "kill", "infer-2"),
        waiting_for(members("infer", 1)),
    ]
    watch = run(line, faults)
    assert watch.rebalances("infer") >= 3
    assert_same_end(line, reference)
