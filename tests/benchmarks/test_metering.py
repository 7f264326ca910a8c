"""What counts as work, and where a tick's time went."""

import os
import subprocess
import sys
import time

import pytest

from benchmarks.method.metering import Sample, Work, at_work, compared, cpu_seconds
from benchmarks.method.timeline import percentile, timeline


def test_start_up_and_idling_afterwards_are_no_work() -> None:
    samples = [
        Sample(0.0, 5.0, 0),  # starting: five seconds of CPU
        Sample(10.0, 6.0, 100),
        Sample(11.0, 6.5, 600),
        Sample(12.0, 7.0, 1100),
        Sample(20.0, 7.4, 1200),  # done at some moment since
        Sample(30.0, 9.0, 1200),
    ]
    assert at_work(samples, total=1200) == Work(records=1000, seconds=2.0, cpu_s=1.0)


def test_rate_and_cost_are_per_record() -> None:
    work = Work(records=1000, seconds=2.0, cpu_s=0.5)
    assert (work.per_second, work.cpu_ms) == (500.0, 0.5)


@pytest.mark.parametrize("records", [[], [0, 1000], [0, 400, 1000], [400, 400, 1000]])
def test_what_is_done_too_soon_is_not_metered(records: list[int]) -> None:
    samples = [Sample(float(n), float(n), count) for n, count in enumerate(records)]
    with pytest.raises(ValueError, match="too soon"):
        at_work(samples, total=1000)


def test_a_comparison_has_a_rate_and_a_cost() -> None:
    rounds = [{"ours": Work(100, 2.0, 1.0), "bare": Work(100, 1.0, 0.1)}]
    rate, cpu = compared(
        "gate", rounds, ("ours", "bare"), "frame", "the bare loop", wanted_cpu=12.0
    )
    assert (rate.name, rate.unit, rate.ratio, rate.wanted) == ("gate.rate", "frames/s", 0.5, None)
    assert (cpu.name, cpu.unit, cpu.ratio, cpu.wanted) == ("gate.cpu", "CPU ms/frame", 10.0, 12.0)


def test_the_cpu_time_of_a_process_is_that_which_it_sees_itself() -> None:
    before_s = time.process_time()
    seen_s = cpu_seconds(os.getpid())
    assert before_s <= seen_s <= time.process_time()


def test_the_cpu_time_of_another_process_can_be_read() -> None:
    command = [sys.executable, "-c", "import time; print(time.process_time(), flush=True); input()"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told_s = float(process.stdout.readline())
        seen_s = cpu_seconds(process.pid)
        process.communicate("\n")
    assert seen_s >= told_s > 0


def test_a_ticks_latencies_follow_each_other() -> None:
    stages = {
        "produce": (1_000_000, 1_010_000),
        "gate": (1_030_000, 1_031_000),
        "infer": (1_200_000, 1_350_000),
    }
    found = timeline(1_000_000, stages, row_us=2_000_000)
    assert (found.produce, found.gate, found.infer, found.sql) == (10.0, 190.0, 150.0, 650.0)
    assert found.total == 1000.0


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 51), (0.99, 100), (1.0, 100)])
def test_percentiles_are_of_the_nearest_rank(share: float, expected: int) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == expected
