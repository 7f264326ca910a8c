"""docs/architecture.md names what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = sorted(set(re.findall(r"`([a-z_/]+/)`", TEXT)))
FILES = sorted(set(re.findall(r"`([A-Za-z_/]+\.(?:py|sql|yaml|md))`", TEXT)))
CODE = [one for one in ROOT.iterdir() if one.is_dir() and not one.name.startswith(".")]


def is_there(name: str) -> bool:
    """In a folder that the text names before it: so its last part is looked for anywhere."""
    return (ROOT / name).exists() or any(
        path.match(name) for top in CODE for path in top.rglob(Path(name).name)
    )


def test_it_names_files_and_folders() -> None:
    assert len(FOLDERS) > 20
    assert len(FILES) > 20


@pytest.mark.parametrize("name", [*FOLDERS, *FILES])
def test_what_it_names_is_there(name: str) -> None:
    assert is_there(name), f"docs/architecture.md names {name}, which is nowhere"
