"""Imports run one way: docs/architecture.md has the picture, this holds the code to it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STAGES = {"producers", "stream_processors", "inference_worker", "sinks"}
# folder → what it may import besides itself
MAY_IMPORT = {
    "schemas": set(),
    "vision": {"schemas", "runtime.errors"},
    "runtime": {"schemas"},
    **{stage: {"schemas", "vision", "runtime"} for stage in STAGES},
    "onehertz": {"schemas", "vision", "runtime", *STAGES},
}


def imports_of(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def forbidden(folder: str, source: str) -> list[str]:
    """Modules of ours that code in `folder` may not import."""
    allowed = MAY_IMPORT[folder] | {folder}
    return [
        module
        for module in imports_of(source)
        if module.partition(".")[0] in MAY_IMPORT
        and not any(module == name or module.startswith(f"{name}.") for name in allowed)
    ]


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))  # in every process the same
def test_a_folder_imports_only_what_lies_below_it(folder: str) -> None:
    found = {
        str(path.relative_to(ROOT)): wrong
        for path in (ROOT / folder).rglob("*.py")
        if (wrong := forbidden(folder, path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_every_package_of_the_product_has_a_rule() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/py.typed")}
    assert packages == MAY_IMPORT.keys()


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("producers", "from sinks.sql.writer import Writer"),
        ("schemas", "import runtime.errors"),
        ("vision", "from runtime.kafka import Sender"),
        ("runtime", "from onehertz import settings"),
        ("sinks", "import inference_worker.role as role"),
    ],
)
def test_the_rule_catches_an_import_against_the_stream(folder: str, line: str) -> None:
    assert forbidden(folder, line)
