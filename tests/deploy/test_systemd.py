"""The systemd units: systemd itself reads them, and what they start is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onehertz.settings import Settings
from tests.deploy.units import (
    its_environment_is_settings,
    starts_a_command_of_ours,
    systemd_finds_nothing_wrong,
    values,
)

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))


def ids(unit: Path) -> str:
    return unit.stem


@pytest.mark.parametrize("unit", UNITS, ids=ids)
def test_what_a_unit_starts_is_a_command_with_such_options(unit: Path) -> None:
    for line in values(unit, "ExecStart"):
        starts_a_command_of_ours(line)


@pytest.mark.parametrize("unit", UNITS, ids=ids)
def test_the_environment_of_a_unit_is_settings(unit: Path) -> None:
    its_environment_is_settings(unit)


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
    systemd_finds_nothing_wrong([*UNITS, FOLDER / "onehertz.target"], tmp_path)
