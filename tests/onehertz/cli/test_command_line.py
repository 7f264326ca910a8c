"""The command line as a process: exit codes, one line per problem, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka.admin import AdminClient

from schemas.catalogue import topics

ROOT = Path(__file__).parents[3]
Run = Callable[..., tuple[int, list[str], list[str]]]


class HasKafka(Protocol):
    """What is needed of the fixture `servers`."""

    @property
    def bootstrap_servers(self) -> str: ...


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `onehertz …` in an empty folder; exit code, lines of output, lines of errors."""

    def of(*arguments: str, **environment: str) -> tuple[int, list[str], list[str]]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ONEHERTZ_")}
        done = subprocess.run(
            [sys.executable, "-m", "onehertz", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
            check=False,
        )
        return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()

    return of


def test_good_settings_are_good(run: Run, tmp_path: Path) -> None:
    (tmp_path / "onehertz.yaml").write_text("cameras:\n  a: {source: {kind: street}}\n")
    assert run("config", "check") == (0, ["OK: 1 cameras, 0 rules, Kafka at 127.0.0.1:9092"], [])


def test_each_problem_is_a_line_and_the_exit_code_is_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("kafka:\n  bootstrap_server: x\n")
    code, said, problems = run(
        *("config", "check", "--config", "other.yaml", "--set", "line.partitions=none"),
        ONEHERTZ_LOG__LEVL="debug",
    )
    assert (code, said) == (2, [])
    assert problems == [
        "onehertz: environment ONEHERTZ_LOG__LEVL: names no setting; did you mean "
        "ONEHERTZ_LOG__LEVEL?",
        "onehertz: --set line.partitions: line.partitions: expected a valid integer, unable to "
        "parse string as an integer",
        "onehertz: other.yaml:2: kafka.bootstrap_server: unknown key; did you mean "
        "'bootstrap_servers'?",
    ]


def test_the_file_can_be_named_by_the_environment(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("kafka: {bootstrap_servers: mine:1}\n")
    code, said, _ = run("config", "check", ONEHERTZ_CONFIG="mine.yaml")
    assert (code, said) == (0, ["OK: 0 cameras, 0 rules, Kafka at mine:1"])
    code, _, problems = run("config", "check", ONEHERTZ_CONFIG="none.yaml")
    assert (code, problems) == (2, ["onehertz: none.yaml: there is no such file"])


@pytest.mark.parametrize("written", ["kafka.sasl_password:hunter2", "kafka.sasl_password hunter2"])
def test_an_override_that_is_none_is_told_without_its_value(run: Run, written: str) -> None:
    assert run("config", "check", "--set", written) == (
        2,
        [],
        ["onehertz: --set kafka.sasl_password: expected KEY=VALUE"],
    )


def test_a_command_that_is_none_is_wrong_usage(run: Run) -> None:
    code, said, problems = run("infre")
    assert (code, said) == (2, [])
    assert "No such command 'infre'" in problems[-1]


def test_a_failpoint_that_is_none_is_told(run: Run) -> None:
    code, _, problems = run("gate", ONEHERTZ_FAILPOINT="gate.before-comit:1")
    assert code == 2
    assert problems[0].startswith("onehertz: environment ONEHERTZ_FAILPOINT: expected NAME:COUNT")


def test_a_port_that_is_taken_is_one_line(run: Run) -> None:
    code, _, problems = run(
        "gate", "--set", "health.host=nowhere.invalid", "--set", "health.port=0"
    )
    assert code == 2
    assert [line[13:] for line in problems] == [
        "gate    ERROR health.port: can't listen on nowhere.invalid:0: Name or service not known; "
        "choose another port, or 0 for any free one"
    ]


@pytest.mark.parametrize("command", ["gate", "sink sql", "sink alerts"])
def test_a_role_without_a_kafka_is_one_line_and_may_be_tried_again(run: Run, command: str) -> None:
    code, said, problems = run(*command.split(), "--set", "kafka.bootstrap_servers=127.0.0.1:1")
    assert (code, said) == (1, [])  # systemd tries no 2 again
    assert [line for line in problems if "no Kafka answers at 127.0.0.1:1" in line] == problems[-1:]
    assert not [line for line in problems if "Traceback" in line]


@pytest.mark.stack
def test_topics_are_made_once_and_checked(run: Run, servers: HasKafka, tmp_path: Path) -> None:
    prefix = f"cli{os.getpid()}."
    there = (
        *("--set", f"kafka.bootstrap_servers={servers.bootstrap_servers}"),
        *("--set", f"line.prefix={prefix}", "--set", "line.partitions=1"),
    )
    try:
        code, _, problems = run("topics", "check", *there)
        assert code == 2
        assert problems[0].startswith(f"onehertz: no such topic: {prefix}frames-raw, ")
        good = f"all {len(topics())} topics are as they must be"
        names = sorted(prefix + name for name in topics())
        made = [f"created {name}" for name in names]
        assert run("topics", "create", *there) == (0, [*made, good], [])
        assert run("topics", "create", *there, "--json") == (0, ['{"created": []}'], [])
        assert run("topics", "check", *there) == (0, [good], [])
        code, _, problems = run("topics", "check", *there, "--set", "line.partitions=2")
        assert code == 2
        assert len(problems) == len(topics())
    finally:
        admin = AdminClient({"bootstrap.servers": servers.bootstrap_servers})
        for future in admin.delete_topics([prefix + name for name in topics()]).values():
            future.exception()


@pytest.mark.parametrize("becomes", ["raise", "raise ImportError('initialization failed')"])
def test_ctrl_c_ends_a_command_with_one_line(becomes: str) -> None:
    """Also where what is being loaded makes another error of it."""
    script = f"""
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
from onehertz.cli import main as command_line
def cli(**_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        {becomes}
command_line.cli.main = cli
command_line.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "onehertz: stopped by Ctrl-C before it was done\n"
