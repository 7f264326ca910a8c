"""Free disk space, checked before something is begun that needs it."""

from __future__ import annotations

import shutil
from pathlib import Path

from onehertz.stack.problem import Problem

# 46 MB of PostgreSQL, some of Kafka, and room for a demo's frames.
STACK_BYTES = 500_000_000


def require_space(folder: Path, needed_bytes: int, *, advice: str) -> int:
    """The free bytes on the disk of `folder`. Raises Problem where they are fewer than needed."""
    free = shutil.disk_usage(existing(folder)).free
    if free < needed_bytes:
        raise Problem(
            f"{folder}: {free // 1_000_000} MB free on its disk, "
            f"{needed_bytes // 1_000_000} MB are needed",
            advice,
        )
    return free


def existing(folder: Path) -> Path:
    """The folder, or the nearest parent of it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
