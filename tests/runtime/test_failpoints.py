"""Failpoints end a process where a test asks for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import UserError
from runtime.failpoints import Failpoints

PASSING = """
from runtime.failpoints import Failpoints
failpoints = Failpoints({setting!r})
for n in range(4):
    print(n, flush=True)
    failpoints.passing("gate.before-commit")
"""


def passing(setting: str | None) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", PASSING.format(setting=setting)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    return done.returncode, done.stdout.replace("\n", "")


def test_the_process_dies_when_it_comes_by_for_that_time() -> None:
    assert passing("gate.before-commit:3") == (-signal.SIGKILL, "012")


def test_other_places_and_no_setting_at_all_do_nothing() -> None:
    assert passing("sql.before-commit:1") == (0, "0123")
    assert passing(None) == (0, "0123")


@pytest.mark.parametrize(
    "setting",
    [
        "gate.before-comit:1",
        "gate.before-commit",
        "a",
        ":1",
        "sql.before-commit:0",
        "sql.before-commit:-1",
    ],
)
def test_a_failpoint_that_would_never_be_reached_is_an_error(setting: str) -> None:
    with pytest.raises(UserError, match="environment ONEHERTZ_FAILPOINT: expected NAME:COUNT"):
        Failpoints(setting)
