"""The systemd units: systemd itself reads them, and what they start is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from onehertz.cli.main import cli
from onehertz.settings import Settings
from runtime.environment import is_setting
from runtime.settings import load

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
PROGRAM = "/opt/onehertz/bin/onehertz"


def values(unit: Path, key: str) -> list[str]:
    text = unit.read_text(encoding="utf-8").replace("%i", "1").replace("%H", "box")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def ids(unit: Path) -> str:
    return unit.stem


@pytest.mark.parametrize("unit", UNITS, ids=ids)
def test_what_a_unit_starts_is_a_command_with_such_options(unit: Path) -> None:
    for line in values(unit, "ExecStart"):
        program, *words = line.split()
        assert program.removeprefix("-") == PROGRAM  # a dash: it may fail
        command: click.Command = cli
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, line
            command = found
        command.make_context("onehertz", list(words), resilient_parsing=False)


@pytest.mark.parametrize("unit", UNITS, ids=ids)
def test_the_environment_of_a_unit_is_settings(unit: Path) -> None:
    pairs = dict(
        pair.split("=", 1) for line in values(unit, "Environment") for pair in line.split()
    )
    load(
        Settings, None, environment={k: v for k, v in pairs.items() if is_setting(k)}, overrides={}
    )


def test_no_two_units_have_the_same_health_port() -> None:
    ports = [port for unit in UNITS for port in re.findall(r"PORT=(\d+\S*)", unit.read_text())]
    assert len(ports) == len(set(ports)) == 5


def test_a_unit_gives_a_role_the_time_to_drain() -> None:
    deadline_s = Settings().lifecycle.drain_deadline_s
    for unit in UNITS:
        for stop_s in values(unit, "TimeoutStopSec"):
            assert float(stop_s) > deadline_s


@pytest.mark.parametrize("unit", [one for one in UNITS if "setup" not in one.name], ids=ids)
def test_a_role_that_hangs_is_started_again_and_leaves_no_passwords_on_disk(unit: Path) -> None:
    assert values(unit, "Type") == ["notify"]
    assert float(*values(unit, "WatchdogSec")) > 0
    assert values(unit, "Restart") == ["always"]
    assert values(unit, "LimitCORE") == ["0"]
    assert "AF_UNIX" in str(values(unit, "RestrictAddressFamilies"))  # of systemd's own socket


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on this machine")
    copies = []
    for unit in [*UNITS, FOLDER / "onehertz.target"]:
        copy = tmp_path / unit.name.replace("@.", "@1.")
        # It wants the program and the user to be there.
        text = unit.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true")
        copy.write_text(text.replace("User=onehertz", "User=root"))
        copies.append(copy)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, copies)],
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert told == []
    assert done.returncode == 0, done.stderr
