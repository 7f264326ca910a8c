"""What is common to the tests of systemd's units."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from onehertz.cli.main import cli
from onehertz.settings import Settings
from runtime.environment import is_setting
from runtime.settings import load

PROGRAM = "/opt/onehertz/bin/onehertz"


def values(unit: Path, key: str) -> list[str]:
    """Of each line `key=`."""
    text = unit.read_text(encoding="utf-8").replace("%i", "1").replace("%H", "box")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def starts_a_command_of_ours(line: str) -> None:
    """Asserts that what `ExecStart` says is a command of onehertz, with such options."""
    program, *words = line.split()
    assert program.removeprefix("-") == PROGRAM  # a dash: it may fail
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    command.make_context("onehertz", list(words), resilient_parsing=False)


def its_environment_is_settings(unit: Path) -> Settings:
    """Raises what the settings raise for a wrong name or value."""
    pairs = dict(
        pair.split("=", 1) for line in values(unit, "Environment") for pair in line.split()
    )
    known = {name: value for name, value in pairs.items() if is_setting(name)}
    return load(Settings, None, environment=known, overrides={})


def systemd_finds_nothing_wrong(units: Sequence[Path], folder: Path) -> None:
    """Asserts it, of copies in `folder` whose programs and user are there."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on this machine")
    copies = []
    for unit in units:
        copy = folder / unit.name.replace("@.", "@1.")
        text = re.sub(
            r"^(Exec\w+=-?)/\S+", r"\1/bin/true", unit.read_text(encoding="utf-8"), flags=re.M
        )
        copy.write_text(text.replace("User=onehertz", "User=root"))
        copies.append(copy)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, copies)],
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if str(folder) in line]
    assert told == []
    assert done.returncode == 0, done.stderr
