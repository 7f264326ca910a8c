"""How many cores this process may use."""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path

# Of the control group that a container sees as its own: "200000 100000" or "max 100000", µs.
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cores(quota: Path = _QUOTA) -> int:
    """Those that the scheduler may put it on, or fewer where a container's quota is less.

    With a thread more than the quota pays for, all of them are stopped for part of each 100 ms.
    """
    allowed = len(os.sched_getaffinity(0))
    try:
        budget_us, period_us = quota.read_text(encoding="ascii").split()
        return max(1, min(allowed, ceil(int(budget_us) / int(period_us))))
    except (OSError, ValueError):  # no such group, or no limit
        return allowed
