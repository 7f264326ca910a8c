"""Runs one bare loop; see the package."""

from __future__ import annotations

import importlib
import json
import signal
import sys

_AT_MOST_S = 150  # whoever started it may be gone, and Kafka too

LOOPS = (
    "consume", "copy_rows", "decide", "detect", "encode", "forward", "idle", "key_frames",
    "start", "stock_agent", "video_capture",
)  # fmt: skip


def main() -> None:
    name, arguments = sys.argv[1:]
    if name not in LOOPS:
        raise SystemExit(f"there is no bare loop {name}; there are: {', '.join(LOOPS)}")
    signal.alarm(_AT_MOST_S)
    run = importlib.import_module(f"benchmarks.bare.{name}").run
    print(json.dumps(run(**json.loads(arguments))))


if __name__ == "__main__":
    main()
