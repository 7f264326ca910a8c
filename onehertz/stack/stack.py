"""The embedded stack: Kafka and PostgreSQL in one folder, started, watched and stopped together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import SystemRandom

from onehertz.stack import kafka, postgres
from onehertz.stack.cache import user_cache
from onehertz.stack.jars import kafka_jars
from onehertz.stack.java import find_java
from onehertz.stack.kafka import Kafka
from onehertz.stack.kafka_command import KafkaPrograms
from onehertz.stack.kafka_properties import KafkaSettings
from onehertz.stack.lock import locked
from onehertz.stack.ports import is_free
from onehertz.stack.postgres import Postgres, PostgresSettings
from onehertz.stack.problem import Problem
from onehertz.stack.server import PortTaken, Say, Server
from onehertz.stack.space import STACK_BYTES, require_space
from onehertz.stack.state import Ports, load_ports, save_ports, settle_ports
from onehertz.stack.status import Endpoints, StackStatus, server_status

DEFAULT_FOLDER = Path(".onehertz/stack")

# A port may be taken between its choice and its use; thrice in a row it is no chance.
START_ATTEMPTS = 3


class Stack:
    """A Kafka and a PostgreSQL whose data, logs and ports live in `folder`.

    Both outlive this process; `leash.leashed` is for servers that must not. `say` is told each
    step in a line. `wanted_ports`: by the names of `state.Ports`; those left out are chosen.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kafka_settings: KafkaSettings | None = None,
        postgres_settings: PostgresSettings | None = None,
        wanted_ports: Mapping[str, int] | None = None,
        say: Say | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.kafka = Kafka(self.folder / "kafka", kafka_settings or KafkaSettings())
        self.postgres = Postgres(self.folder / "postgres", postgres_settings or PostgresSettings())
        self.state_file = self.folder / "state.json"
        self._wanted_ports = dict(wanted_ports or {})
        self._say = say or _say_nothing
        self._environment = os.environ if environment is None else environment

    def up(self) -> Endpoints:
        """Start what does not run yet and wait until both servers answer.

        Raises Problem for what the user can mend, FatalError where a server does not start; what
        was started here is stopped again then.
        """
        self._make_folder()
        with locked(self.folder, "up"):
            for attempt in range(1, START_ATTEMPTS + 1):
                try:
                    return self._start_missing()
                except PortTaken:
                    if attempt == START_ATTEMPTS:
                        raise
                    self._say("a port was taken meanwhile; trying others")
        raise AssertionError("unreachable")

    def down(self) -> bool:
        """Stop both servers; returns whether any was running. Data and ports stay.

        Raises Problem where another process starts or stops this stack just now.
        """
        if not self.folder.exists():
            return False
        with locked(self.folder, "down"):
            running = [server for server in self._servers() if server.process() is not None]
            for server in running:
                self._say(f"stopping {server.name}")
            self._stop(self._servers())
        return bool(running)

    def start_kafka(self) -> None:
        """Start Kafka alone, on its port of last time, after `kafka.stop()` or `kafka.kill()`."""
        with locked(self.folder, "up"):
            self._start_kafka(self._last_ports())

    def start_postgres(self) -> None:
        """Start PostgreSQL alone, on its port of last time, as `start_kafka`."""
        with locked(self.folder, "up"):
            self._start_postgres(self._last_ports())

    def endpoints(self) -> Endpoints | None:
        """Where the servers are, or were when they last ran; None before the first start."""
        ports = load_ports(self.state_file)
        return None if ports is None else self._endpoints(ports)

    def status(self) -> StackStatus:
        """How both servers are. Raises Problem where the folder's state can't be read."""
        ports = load_ports(self.state_file)
        endpoints = None if ports is None else self._endpoints(ports)
        return StackStatus(
            self.folder,
            server_status(
                self.kafka,
                ports.kafka if ports else None,
                lambda: ports is not None and kafka.answers(ports.kafka),
            ),
            server_status(
                self.postgres,
                ports.postgres if ports else None,
                lambda: endpoints is not None and postgres.answers(endpoints.dsn),
            ),
            endpoints,
        )

    def _start_missing(self) -> Endpoints:
        status = self.status()
        last = load_ports(self.state_file)
        held = _held_ports(status, last)
        ports = settle_ports(
            last, wanted=self._wanted_ports, held=held, chance=SystemRandom(), free=is_free
        )
        if status.is_up:
            self._say("the stack is up already")
            return self._endpoints(ports)
        require_space(
            self.folder,
            STACK_BYTES,
            advice="Free some space, or choose a folder on another disk with --folder",
        )
        missing: list[tuple[Server, Callable[[Ports], None]]] = []
        if status.kafka.state != "running":
            missing.append((self.kafka, self._start_kafka))
        if status.postgres.state != "running":
            missing.append((self.postgres, self._start_postgres))
        # One that runs but does not answer would keep its port and its data from the new one.
        self._stop([server for server, _ in missing])
        if last is not None and ports != last and not self._wanted_ports:
            self._say("a port of last time is taken: other ones are used")
        save_ports(self.state_file, ports)
        self._start_all(missing, ports)
        return self._endpoints(ports)

    def _start_all(
        self, missing: Sequence[tuple[Server, Callable[[Ports], None]]], ports: Ports
    ) -> None:
        try:
            with ThreadPoolExecutor(len(missing)) as pool:
                for outcome in [pool.submit(start, ports) for _, start in missing]:
                    outcome.result()
        except BaseException:
            self._stop([server for server, _ in missing])
            raise

    def _start_kafka(self, ports: Ports) -> None:
        java = find_java(self._environment)
        cache = user_cache(self._environment)
        jars = kafka_jars(cache, self._say, self._environment)
        self._say(f"starting Kafka on 127.0.0.1:{ports.kafka} (Java {java.version})")
        if self.kafka.was_killed():
            self._say("Kafka did not end well: its controller cleans up first")
        programs = KafkaPrograms(java, jars, cache, self._environment)
        self.kafka.start(ports.kafka, ports.kafka_controller, programs)
        self._say("Kafka answers")

    def _start_postgres(self, ports: Ports) -> None:
        self._say(f"starting PostgreSQL on 127.0.0.1:{ports.postgres}")
        self.postgres.start(ports.postgres, environment=self._environment)
        self._say("PostgreSQL answers")

    def _stop(self, servers: Sequence[Server]) -> None:
        with ThreadPoolExecutor(len(servers)) as pool:
            for server, well in zip(servers, pool.map(lambda s: s.stop(), servers), strict=True):
                if not well:
                    self._say(f"{server.name} had to be killed; its next start takes longer")

    def _servers(self) -> list[Server]:
        return [self.kafka, self.postgres]

    def _endpoints(self, ports: Ports) -> Endpoints:
        return Endpoints(f"127.0.0.1:{ports.kafka}", self.postgres.dsn(ports.postgres))

    def _last_ports(self) -> Ports:
        ports = load_ports(self.state_file)
        if ports is None:
            raise Problem(f"{self.folder}: no stack was ever up here", "Run `onehertz up`")
        return ports

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Problem(
                f"{self.folder}: can't be made ({error.strerror})", "Choose another with --folder"
            ) from error
        # The servers' data would end up with two owners, and start for neither.
        if (owner := self.folder.stat().st_uid) != os.geteuid():
            raise Problem(
                f"{self.folder}: belongs to user {owner}, this is user {os.geteuid()}",
                "Run onehertz as that user, or choose another folder with --folder",
            )


def _say_nothing(_line: str) -> None:
    """For callers who don't want to be told."""


def _held_ports(status: StackStatus, last: Ports | None) -> dict[str, int]:
    """The ports on which servers of this stack listen and answer now."""
    held: dict[str, int] = {}
    if last is not None and status.kafka.state == "running":
        held |= {"kafka": last.kafka, "kafka_controller": last.kafka_controller}
    if last is not None and status.postgres.state == "running":
        held |= {"postgres": last.postgres}
    return held
