"""The user's cache folder, as the stack needs it: there, and fit for a Java class path."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from onehertz.cache import user_cache_path
from onehertz.stack.problem import Problem


def user_cache(environment: Mapping[str, str]) -> Path:
    """The user's cache folder, made where it is not there. Raises Problem."""
    folder = java_cache_path(environment)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(
            f"{folder}: can't be made ({error.strerror})",
            "Set ONEHERTZ_CACHE to a folder of yours",
        ) from error
    return folder


def java_cache_path(environment: Mapping[str, str]) -> Path:
    """The user's cache folder. Raises Problem where Java could not use it."""
    folder = user_cache_path(environment)
    if os.pathsep in str(folder):
        raise Problem(
            f"{folder}: Java can't use a class path with '{os.pathsep}' in it",
            "Set ONEHERTZ_CACHE to another folder",
        )
    return folder
