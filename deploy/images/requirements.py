"""Prints the requirements of an extra: `python requirements.py gate`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(extra: str) -> list[str]:
    """What pyproject.toml, in the working folder, asks for. Raises SystemExit on no such extra."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    if extra not in extras:
        raise SystemExit(f"EXTRA={extra}: expected one of {', '.join(sorted(extras))}")
    return [*project["dependencies"], *extras[extra]]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(sys.argv[1])) + "\n")
