"""How many threads an engine gets: no more than a container pays for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inference_worker.choosing.cores import cores

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "count"),
    [
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("6400000 100000\n", ALL),
        ("max 100000\n", ALL),
        ("", ALL),
    ],
)
def test_a_container_gets_the_cores_of_its_quota(tmp_path: Path, quota: str, count: int):
    path = tmp_path / "cpu.max"
    path.write_text(quota)
    assert cores(path) == count


def test_without_control_groups_all_cores_that_may_be_used_are_counted(tmp_path: Path):
    assert cores(tmp_path / "absent") == ALL


def test_a_part_of_a_core_counts_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process_id: {0, 1, 2, 3})
    path = tmp_path / "cpu.max"
    path.write_text("150000 100000\n")
    assert cores(path) == 2
