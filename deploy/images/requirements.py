"""Prints the requirements of extras: `python requirements.py gate`, or `edge,s3`.

A second argument names packages to leave out: `python requirements.py worker-gpu tensorrt-cu13`.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def requirements(extra: str, without: str = "") -> list[str]:
    """What pyproject.toml, in the working folder, asks for. Raises SystemExit on no such extra.

    Or on a package in `without` that is not among them.
    """
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    unknown = set(extra.split(",")) - extras.keys()
    if unknown:
        raise SystemExit(f"EXTRA={extra}: expected one of {', '.join(sorted(extras))}")
    wanted = [*project["dependencies"], *(one for name in extra.split(",") for one in extras[name])]
    left_out = set(filter(None, without.split(",")))
    if absent := left_out - set(map(_package, wanted)):
        raise SystemExit(f"WITHOUT={without}: EXTRA={extra} has no {', '.join(sorted(absent))}")
    return [one for one in wanted if _package(one) not in left_out]


def _package(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(*sys.argv[1:])) + "\n")
