"""A line of its own: topics with a prefix, a database, a settings file, roles as processes."""

from __future__ import annotations

import json
import logging
import os
import signal
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

import psycopg
from confluent_kafka import KafkaException

from onehertz.processes import RoleProcess
from onehertz.settings import Settings
from runtime.environment import FAILPOINT
from runtime.kafka import admin_client
from runtime.settings import load
from runtime.topics import create_topics
from sinks.sql.migrate import migrate
from tests.fixtures.database import new_database
from tests.fixtures.servers import Servers

log = logging.getLogger("harness")

Role = Literal["gate", "infer", "sql", "alerts", "produce"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "gate": ("gate", "--slot"),
    "infer": ("infer",),
    "sql": ("sink", "sql"),
    "alerts": ("sink", "alerts", "--slot"),
    "produce": ("produce",),
}
# So that a fault bites within seconds: short sessions, small transactions, snapshots every second.
_SETTINGS: Final[dict[str, Any]] = {
    "kafka": {"session_timeout_ms": 3000, "transaction_timeout_ms": 6000},
    "checkpoint": {"interval_s": 0.1, "snapshot_interval_s": 1.0, "snapshot_share": 100.0},
    "infer": {"threads": 1, "max_batch": 4, "max_wait_ms": 50},
    "sql": {"batch_rows": 100, "batch_wait_ms": 100, "retry_wait_ms": 200},
    "rules": [
        {
            "name": "somebody",
            "kind": "presence",
            "cameras": "all",
            "labels": ["person", "car"],
            "min_confidence": 0.3,
            "for_s": 2,
        }
    ],
}
_MAX_STARTS = 12  # of one process: one that dies that often by itself is what is broken
_LOG_CHARS = 2_500
_STOP_S = 40.0


class Program(NamedTuple):
    """What runs a role in place of `python -m onehertz`, with variables of its own."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


class HarnessError(AssertionError):
    """The line did not do what was waited for."""


class Line:
    """A line and its role processes. Named `<role>-<number>`, numbers from 1."""

    def __init__(self, settings: Settings, config: Path, ticks: int) -> None:
        """`ticks`: how many rows its load makes."""
        self.settings = settings
        self.ticks = ticks
        self.processes: dict[str, RoleProcess] = {}
        self.deaths: list[tuple[str, int]] = []  # name and exit code, of their own accord
        self.notes: list[str] = []  # a line for each fault
        self.config = config
        self._down: set[str] = set()  # ended or not yet back, on purpose
        self._counted_before: dict[str, Counter[str]] = defaultdict(Counter)
        self._connection: psycopg.Connection | None = None  # for counting rows

    # ------------------------------------------------------------ processes

    def start(
        self,
        role: Role,
        count: int = 1,
        failpoints: Mapping[int, str] | None = None,
        program: Program | None = None,
    ) -> None:
        """Start `count` processes of a role. `failpoints`: by number, for its first life."""
        for number in range(1, count + 1):
            self._start(role, number, (failpoints or {}).get(number), program)

    def start_another(self, role: Role) -> None:
        """Start one more process of a role beside those that there are."""
        self._start(role, len(self.instances(role)) + 1, None)

    def _start(
        self, role: Role, number: int, point: str | None, program: Program | None = None
    ) -> None:
        name = f"{role}-{number}"
        command = _COMMANDS[role]
        slot = (name,) if "--slot" in command else ()
        arguments = [*command, *slot, "--config", str(self.config)]
        folder = self.config.parent
        self.processes[name] = (
            RoleProcess(name, arguments, folder, program.environment, program.command)
            if program
            else RoleProcess(name, arguments, folder)
        )
        self.processes[name].start({FAILPOINT: point} if point else None)

    def start_all(self, *roles: Role) -> None:
        """Start one process of each role."""
        for role in roles:
            self.start(role)

    def kill(self, name: str) -> None:
        """End a process as a crash would; it stays down until `restart`."""
        self._down.add(name)
        self._kill(name)

    def stop(self, name: str) -> None:
        """SIGSTOP: it does nothing more until `cont`."""
        self.processes[name].send(signal.SIGSTOP)

    def cont(self, name: str) -> None:
        """SIGCONT."""
        self.processes[name].send(signal.SIGCONT)

    def stands_still(self, name: str) -> bool:
        """Whether the process is stopped, by whomever."""
        options = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.processes[name].process.pid, options) is not None

    def restart(self, name: str) -> None:
        """Start a process again; kill it first if it runs."""
        if self.processes[name].is_running:
            self._kill(name)
        self._down.discard(name)
        self.processes[name].start()

    def terminate(self, name: str) -> None:
        """SIGTERM, and wait for a clean end; it stays down until `restart`."""
        self._down.add(name)
        code = self.processes[name].stop()
        if code != 0:
            raise HarnessError(f"{name} ended with exit code {code} on SIGTERM\n{self.logs()}")

    def all_ready(self) -> bool:
        """Whether all that run say that they are ready for work."""
        return all(one.is_ready() for one in self.processes.values() if one.is_running)

    def terminate_all(self) -> None:
        """As `terminate`, for all that run, at the same time."""
        running = {name: one for name, one in self.processes.items() if one.is_running}
        self._down.update(running)
        for one in running.values():
            one.ask_to_stop()
        codes = {name: one.wait(_STOP_S) for name, one in running.items()}
        if any(codes.values()):
            raise HarnessError(f"not all ended well on SIGTERM: {codes}\n{self.logs()}")

    def tend(self) -> None:
        """What an orchestrator does: start again what has died by itself.

        Raises HarnessError for a process that keeps dying, or that refuses its settings.
        """
        for name, one in self.processes.items():
            if one.is_running or name in self._down:
                continue
            code = one.process.returncode
            if code == 0:
                self._down.add(name)
                continue
            self.deaths.append((name, code))
            self.note(f"{name} has ended by itself with exit code {code}: starting it again")
            if code == 2 or one.starts >= _MAX_STARTS:
                raise HarnessError(f"{name} can't go on: exit code {code}\n{self.logs()}")
            one.start()

    def kill_all(self) -> None:
        """Leave no process behind, whatever state it is in."""
        for one in self.processes.values():
            if one.starts and one.is_running:
                one.kill()

    def instances(self, role: Role) -> list[str]:
        return [name for name in self.processes if name.rpartition("-")[0] == role]

    # ------------------------------------------------------------ what it says of itself

    def topic(self, name: str) -> str:
        return self.settings.line.topic(name)

    def metric(self, role: Role, name: str) -> float:
        """A counter's sum over the role's processes that run and those that were killed here.

        One that died of its own accord has taken its share along.
        """
        running = (self.processes[one] for one in self.instances(role))
        now = sum(one.metrics().get(name, 0.0) for one in running if one.is_running)
        return now + self._counted_before[role].get(name, 0.0)

    def _kill(self, name: str) -> None:
        process = self.processes[name]
        if process.is_running and not self.stands_still(name):
            self._counted_before[name.rpartition("-")[0]].update(process.metrics())
        process.kill()

    def log_of(self, name: str) -> str:
        """All that a process has logged, in all its lives."""
        with suppress(FileNotFoundError):
            return self.processes[name].log.read_text(errors="replace")
        return ""

    def note(self, text: str) -> None:
        self.notes.append(text)
        log.info("%s", text)

    def logs(self) -> str:
        """What was done to it and the end of each process' log, for a failure's message."""
        parts = ["--- faults", *self.notes]
        for name in self.processes:
            parts += [f"--- {name}", self.log_of(name)[-_LOG_CHARS:]]
        return "\n".join(parts)

    def rows(self) -> int:
        """Rows of `frames`; -1 while the database is away."""
        try:
            if self._connection is None:
                self._connection = self.connect()
                self._connection.autocommit = True
            return int(self._connection.execute("SELECT count(*) FROM frames").fetchall()[0][0])
        except psycopg.OperationalError:
            self.disconnect()
            return -1

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.settings.sql.conninfo(), connect_timeout=5)


@contextmanager
def open_line(
    servers: Servers, folder: Path, ticks: int, overrides: Mapping[str, Any] | None = None
) -> Iterator[Line]:
    """A line with its topics and tables and no process yet.

    `overrides`: of the settings, section by section. At the end nothing of it runs any more.
    """
    with new_database(servers.dsn) as dsn:
        migrate(dsn)
        config = folder / "onehertz.yaml"
        config.write_text(json.dumps(_configuration(servers, dsn, overrides or {})))
        settings = load(Settings, config, environment={}, overrides={})
        create_topics(settings.kafka, settings.line)
        line = Line(settings, config, ticks)
        try:
            yield line
        finally:
            line.kill_all()
            line.disconnect()
            _delete_topics(settings)


def _delete_topics(settings: Settings) -> None:
    """A broker with thousands of old partitions is slow to start again."""
    names = [settings.line.topic(name) for name in settings.line.topics()]
    admin = admin_client(settings.kafka)  # kept: without it its answers would never come
    with suppress(KafkaException):  # a test has left the broker down
        for future in admin.delete_topics(names, request_timeout=10.0).values():
            future.result()


def _configuration(servers: Servers, dsn: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Content of the settings file (JSON is YAML)."""
    own: dict[str, Any] = {
        "line": {"prefix": f"f{uuid.uuid4().hex[:8]}-", "partitions": 8},
        "kafka": {"bootstrap_servers": servers.bootstrap_servers},
        "sql": {"dsn": dsn},
    }
    sections = dict(_SETTINGS)
    for layer in (own, overrides):
        for name, values in layer.items():
            merged = isinstance(values, Mapping) and name in sections
            sections[name] = {**sections[name], **values} if merged else values
    return sections
