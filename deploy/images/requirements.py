"""Prints the requirements of extras: `python requirements.py gate`, or `edge,s3`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(extra: str) -> list[str]:
    """What pyproject.toml, in the working folder, asks for. Raises SystemExit on no such extra."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    unknown = set(extra.split(",")) - extras.keys()
    if unknown:
        raise SystemExit(f"EXTRA={extra}: expected one of {', '.join(sorted(extras))}")
    return [*project["dependencies"], *(one for name in extra.split(",") for one in extras[name])]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(sys.argv[1])) + "\n")
