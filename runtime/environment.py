"""The environment variables that onehertz reads: settings, and a few that are none.

`ONEHERTZ_KAFKA__BOOTSTRAP_SERVERS` is the setting `kafka.bootstrap_servers`.
"""

from __future__ import annotations

from runtime.yaml_file import Key

PREFIX = "ONEHERTZ_"

CONFIG = "ONEHERTZ_CONFIG"  # the settings file
CACHE = "ONEHERTZ_CACHE"  # folder for what is downloaded once per user
FAILPOINT = "ONEHERTZ_FAILPOINT"  # for tests: runtime/failpoints.py

_NO_SETTINGS = frozenset({CONFIG, CACHE, FAILPOINT})


def is_setting(variable: str) -> bool:
    """Whether a variable is meant as a setting: all that start so, but for those above."""
    return variable.startswith(PREFIX) and variable not in _NO_SETTINGS


def key_of(variable: str) -> list[str]:
    """The path that a variable spells."""
    return variable.removeprefix(PREFIX).lower().split("__")


def name_of(key: Key) -> str:
    """The variable that spells a key."""
    spelled = "__".join(str(part) for part in key)
    return PREFIX + spelled.replace("-", "_").replace(".", "_").upper()
