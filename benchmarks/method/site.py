"""Where the benchmarks run: an embedded stack, roles and bare loops, all of which end with us."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks.method.metering import INTERVAL_S, Work, cpu_seconds, meter
from onehertz.processes import RoleProcess
from onehertz.settings import Settings
from onehertz.stack.leash import leashed
from onehertz.stack.stack import Stack
from onehertz.stack.status import Endpoints
from runtime.errors import FatalError
from runtime.kafka import admin_client, as_fatal
from runtime.settings import load
from runtime.topics import create_topics
from sinks.sql.migrate import migrate

Say = Callable[[str], None]

_ROOT = Path(__file__).parents[2]
_WITHIN_S = 120.0
_ANSWER_S = 15.0
# What Kafka answers about a group as long as its coordinator starts, or a member is just leaving.
_PASSING = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NON_EMPTY_GROUP,
    }
)


@dataclass(frozen=True)
class Line:
    """A line of its own for one benchmark: its topics are there, its roles can be started."""

    settings: Settings
    config: Path
    folder: Path

    @contextmanager
    def running(
        self, name: str, *words: str, overrides: Mapping[str, str] | None = None
    ) -> Iterator[RoleProcess]:
        """A role in a process of its own, from its start to its clean stop.

        Raises FatalError where it does not stop cleanly.
        """
        pairs = [f"{key}={value}" for key, value in (overrides or {}).items()]
        settings = [argument for pair in pairs for argument in ("--set", pair)]
        role = RoleProcess(name, [*words, "--config", str(self.config), *settings], self.folder)
        role.start()
        try:
            yield role
        finally:
            code = role.stop()
        if code != 0:
            raise FatalError(f"{name} ended with exit code {code}; {role.last_lines()}")

    def metered(
        self,
        name: str,
        *words: str,
        counter: str,
        total: int,
        overrides: Mapping[str, str] | None = None,
        interval_s: float = INTERVAL_S,
        after: int = 0,
        cpu_of: Callable[[int], float] = cpu_seconds,
    ) -> Work:
        """A run of a role over `total` records, metered by its own counter.

        `interval_s`: between two looks at the counter; each costs the role some CPU. `after`:
        records that are left out, at the beginning. `cpu_of`: as for `meter`.
        """
        with self.running(name, *words, overrides=overrides) as role:
            return meter(role, counter, total, _WITHIN_S, interval_s, after, cpu_of)


class Site:
    """Lends lines, databases and bare loops. Use it in a `with`: its end takes all of it down.

    `quick`: loads are a quarter of their size, which shows that a benchmark works and little else.
    """

    def __init__(self, *, quick: bool, say: Say) -> None:
        self.quick = quick
        self.say = say
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def sized(self, count: int) -> int:
        """`count` in a full run, a quarter of it in a quick one."""
        return max(1, count // 4) if self.quick else count

    @cached_property
    def folder(self) -> Path:
        """For configurations, logs and pictures."""
        return Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="onehertz-bench-")))

    @cached_property
    def stack(self) -> Stack:
        return Stack(Path(tempfile.mkdtemp(prefix="onehertz-bench-stack-")), say=self.say)

    @cached_property
    def endpoints(self) -> Endpoints:
        """The servers, which start when they are first asked for."""
        return self._open.enter_context(leashed(self.stack))

    @cached_property
    def admin(self) -> AdminClient:
        return admin_client(self._settings({}).kafka)

    def line(self, name: str, content: Mapping[str, Any] | None = None) -> Line:
        """A line with the prefix `name` and these settings besides."""
        folder = self.folder / name
        folder.mkdir()
        whole = {"line": {"prefix": f"{name}-"}, **(content or {})}
        settings = self._settings(whole, folder / "onehertz.yaml")
        create_topics(settings.kafka, settings.line)
        return Line(settings, folder / "onehertz.yaml", folder)

    def forget(self, line: Line, role: str, topics: Sequence[str] = ()) -> None:
        """Let a role begin at its input's beginning again, and empty these topics of the line."""
        self.delete_topics([line.settings.line.topic(topic) for topic in topics])
        create_topics(line.settings.kafka, line.settings.line)
        self._delete_group(line.settings.line.group(role))

    def _delete_group(self, group: str) -> None:
        deadline_s = time.monotonic() + _ANSWER_S
        while True:
            try:
                self.admin.delete_consumer_groups([group])[group].result()
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.GROUP_ID_NOT_FOUND:
                    return
                if code not in _PASSING or time.monotonic() > deadline_s:
                    raise as_fatal(error, f"deleting the group {group}") from None
                time.sleep(0.1)
            else:
                return

    def delete_topics(self, names: list[str]) -> None:
        """Raises FatalError where they don't go."""
        for deleted in (self.admin.delete_topics(names) if names else {}).values():
            deleted.result()
        # The controller has deleted them; the broker may list them a moment longer.
        deadline_s = time.monotonic() + _ANSWER_S
        while not self.admin.list_topics(timeout=_ANSWER_S).topics.keys().isdisjoint(names):
            if time.monotonic() > deadline_s:
                raise FatalError(f"deleted topics can still be seen: {', '.join(names)}")
            time.sleep(0.05)

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """DSN of a new database with the current layout; dropped at the end."""
        identifier = sql.Identifier(name)
        drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(identifier)
        with psycopg.connect(self.endpoints.dsn, autocommit=True) as connection:
            connection.execute(drop)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
            dsn = make_conninfo(self.endpoints.dsn, dbname=name)
            migrate(dsn)
            yield dsn
            connection.execute(drop)

    def bare(self, name: str, **arguments: Any) -> Work:
        """Run a bare loop in a process of its own. Raises FatalError."""
        return Work(*self.bare_answer(name, **arguments))

    def bare_answer(self, name: str, **arguments: Any) -> Any:
        """What a bare loop prints. Raises FatalError."""
        command = [sys.executable, "-m", "benchmarks.bare", name, json.dumps(arguments)]
        try:
            done = subprocess.run(
                command, cwd=_ROOT, capture_output=True, text=True, timeout=_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise FatalError(f"the bare loop {name} was not done in {_WITHIN_S:g} s") from None
        if done.returncode != 0:
            raise FatalError(f"the bare loop {name} failed: {done.stderr[-1000:]}")
        return json.loads(done.stdout)

    def _settings(self, content: Mapping[str, Any], path: Path | None = None) -> Settings:
        endpoints = self.endpoints
        whole = {"kafka": {"bootstrap_servers": endpoints.bootstrap_servers}, **content}
        path = path or self.folder / "servers.yaml"
        path.write_text(yaml.safe_dump(whole), encoding="utf-8")
        return load(Settings, path, environment={}, overrides={})
