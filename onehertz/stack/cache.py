"""The user's cache folder: what is fetched once and shared by all stacks of a user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from onehertz.stack.problem import Problem


def user_cache(environment: Mapping[str, str]) -> Path:
    """The folder of `user_cache_path`, made where it is not there. Raises Problem."""
    folder = user_cache_path(environment)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(
            f"{folder}: can't be made ({error.strerror})",
            "Set ONEHERTZ_CACHE to a folder of yours",
        ) from error
    return folder


def user_cache_path(environment: Mapping[str, str]) -> Path:
    """`$ONEHERTZ_CACHE`, else `$XDG_CACHE_HOME/onehertz`, else `~/.cache/onehertz`.

    Raises Problem where Java could not use it.
    """
    if own := environment.get("ONEHERTZ_CACHE"):
        folder = Path(own).expanduser().absolute()
    else:
        base = environment.get("XDG_CACHE_HOME", "")
        # The XDG Base Directory Specification: a relative path is to be ignored.
        folder = (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "onehertz"
    if os.pathsep in str(folder):
        raise Problem(
            f"{folder}: Java can't use a class path with '{os.pathsep}' in it",
            "Set ONEHERTZ_CACHE to another folder",
        )
    return folder
