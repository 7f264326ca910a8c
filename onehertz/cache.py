"""Where a user's cache is: what is fetched once and used by every checkout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def user_cache_path(environment: Mapping[str, str]) -> Path:
    """`$ONEHERTZ_CACHE`, else `$XDG_CACHE_HOME/onehertz`, else `~/.cache/onehertz`."""
    if own := environment.get("ONEHERTZ_CACHE"):
        return Path(own).expanduser().absolute()
    base = environment.get("XDG_CACHE_HOME", "")
    # The XDG Base Directory Specification: a relative path is to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "onehertz"
