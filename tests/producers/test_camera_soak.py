"""Two thousand cameras come and go in a process of their own, and it holds no more afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CAMERAS = 2_000
# 0.9 MB seen, with 6,000 cameras too: a thread's leftover of 2 kB a camera would be 3 MB.
SLACK_BYTES = 3_000_000


def test_two_thousand_cameras_leave_no_memory_no_thread_and_no_file() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.producers.camera_soak", str(CAMERAS)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    warm, end = found["warm"], found["end"]
    assert (end["threads"], end["files"]) == (warm["threads"], warm["files"])
    assert end["memory_bytes"] - warm["memory_bytes"] < SLACK_BYTES, found
