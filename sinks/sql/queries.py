"""Reads SQL that lies in .sql files: named blocks, each with a line that describes it.

-- [name] What it does.
SELECT …;
"""

from __future__ import annotations

import re
from importlib.resources import files

_HEADING = re.compile(r"^-- \[(\w+)\] (.+)$", re.MULTILINE)


def text_of(file_name: str, package: str = "sinks.sql") -> str:
    """The text of a .sql file of a package, for example `views.sql`."""
    return files(package).joinpath(file_name).read_text(encoding="utf-8")


def load(file_name: str, package: str = "sinks.sql") -> dict[str, bytes]:
    """The blocks of a .sql file by name, as bytes (which psycopg's types take as trusted SQL).

    Raises ValueError if the file has no block, or two of one name.
    """
    parts = _HEADING.split(text_of(file_name, package))[1:]
    names, bodies = parts[0::3], parts[2::3]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{file_name} needs blocks with different names, has {names}")
    return {name: body.strip().encode() for name, body in zip(names, bodies, strict=True)}
