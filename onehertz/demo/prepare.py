"""What the demo needs before it can play: clips, servers, settings, topics, tables, processes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import yaml
from confluent_kafka import KafkaException
from psycopg import sql
from psycopg.conninfo import make_conninfo

from onehertz.assets import AssetsUnavailable, fetch
from onehertz.assets.progress import Progress
from onehertz.demo.plan import Plan, configuration
from onehertz.processes import RoleProcess, Supervisor
from onehertz.settings import Settings
from onehertz.stack.stack import Stack
from onehertz.stack.status import Endpoints
from runtime.errors import UserError
from runtime.kafka import admin_client
from runtime.settings import load
from sinks.sql.migrate import migrate

DETECTOR = ("ssd-mobilenetv2-oidv4", "ssd-mobilenetv2-oidv4-labels")
CLIPS = ("vtest", "tree")
_TOPICS = "demo-"
_DATABASES = "demo_"
_REQUEST_S = 15.0

Say = Callable[[str], None]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make `folder`, and be the only demo in it: the next one takes its topics and tables away.

    The kernel frees the lock when its holder dies. Raises UserError where another demo runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{folder.absolute()}: another demo runs here; wait for its end, or start this one "
                "in another folder"
            ) from None
        yield


# ---------------------------------------------------------------- assets


def fetch_assets(say: Say, progress: AbstractContextManager[Progress]) -> dict[str, Path]:
    """The detector, without which there is no demo, and the clips that can be had.

    Raises UserError: no detector, or a source gave something else than the catalogue pins.
    """
    with progress as shown:
        fetch(DETECTOR, progress=shown)
        try:
            clips = fetch(CLIPS, progress=shown)
        except AssetsUnavailable as error:
            if error.refused:
                raise
            clips = fetch([name for name in CLIPS if name not in error.names], progress=shown)
            say(
                f"going on without the clips {', '.join(error.names)}; 'onehertz assets fetch' "
                "says what to put where by hand"
            )
    if not clips:
        say("no clip: the demo plays the synthetic street alone")
    return clips


# ---------------------------------------------------------------- servers


class Servers:
    """Kafka and PostgreSQL on their way up, in the background."""

    def __init__(self, stack: Stack, pool: Executor, *, keep: bool) -> None:
        self.stay_up = keep or stack.status().is_up
        self._coming = pool.submit(stack.up)

    def endpoints(self) -> Endpoints:
        """Wait until both answer. Raises what `Stack.up` raises."""
        return self._coming.result()

    @property
    def have_failed(self) -> bool:
        """Whether they did not come up; waits for it."""
        return self._coming.exception() is not None


@contextmanager
def servers(folder: Path, say: Say, *, keep: bool) -> Iterator[Servers]:
    """Start Kafka and PostgreSQL in the background, and stop them at the end.

    Not with `keep`, and not those that ran before.
    """
    stack = Stack(folder, say=say)
    with ThreadPoolExecutor(1, "stack") as pool:
        coming = Servers(stack, pool, keep=keep)
        try:
            yield coming
        finally:
            if not coming.have_failed and not coming.stay_up:
                stack.down()


# ---------------------------------------------------------------- settings, topics, tables


@dataclass(frozen=True)
class Prepared:
    """A demo's own settings and where they lie."""

    settings: Settings
    config: Path
    dsn: str
    name: str  # of this run, in its topics and database


def configure(
    folder: Path, endpoints: Endpoints, clips: dict[str, Path], played: Plan, now_us: int
) -> Prepared:
    """Write the demo's `onehertz.yaml`. Topics and database have names of this run's own.

    So what a demo that was killed has left running can't write into this one.
    """
    name = f"{played.start_at:%Y%m%d-%H%M%S}-{now_us // 1000 % 1_000_000_000}"
    dsn = make_conninfo(endpoints.dsn, dbname=_database(name))
    config = folder / "onehertz.yaml"
    content = configuration(played, clips, endpoints, f"{_TOPICS}{name}-", dsn)
    config.touch(mode=0o600)
    config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    settings = load(Settings, config, environment={}, overrides={})
    return Prepared(settings, config, dsn, name)


def _database(name: str) -> str:
    return _DATABASES + name.replace("-", "_")


def make_database(endpoints: Endpoints, prepared: Prepared) -> None:
    """Create this run's database and its tables."""
    with psycopg.connect(endpoints.dsn, autocommit=True) as connection:
        name = sql.Identifier(_database(prepared.name))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    migrate(prepared.dsn)


def forget_earlier(endpoints: Endpoints, prepared: Prepared) -> None:
    """Delete topics and databases of earlier demos; what can't be deleted now, the next one may."""
    with suppress(KafkaException):
        admin = admin_client(prepared.settings.kafka)
        own = f"{_TOPICS}{prepared.name}-"
        there = admin.list_topics(timeout=_REQUEST_S).topics
        old = [name for name in there if name.startswith(_TOPICS) and not name.startswith(own)]
        for future in (admin.delete_topics(old) if old else {}).values():
            future.result()
    with (
        suppress(psycopg.Error),
        psycopg.connect(endpoints.dsn, autocommit=True) as connection,
    ):
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s) AND datname <> %s",
            [_DATABASES, _database(prepared.name)],
        ).fetchall()
        for (name,) in rows:
            # Not DROP … WITH (FORCE), which would have to end the superuser's autovacuum too.
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND usename = current_user",
                [name],
            )
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


# ---------------------------------------------------------------- processes


def supervisor(config: Path, logs: Path, say: Say) -> Supervisor:
    """The five roles as processes, not started yet."""
    logs.mkdir(parents=True, exist_ok=True)
    for log in logs.glob("*.log"):
        log.unlink()
    arguments = {
        "infer": ["infer"],
        "gate": ["gate", "--slot", "demo"],
        "alerts": ["sink", "alerts", "--slot", "demo"],
        "sql": ["sink", "sql"],
        "produce": ["produce"],
    }
    settings = ["--config", os.fspath(config)]
    roles = [RoleProcess(name, [*words, *settings], logs) for name, words in arguments.items()]
    return Supervisor(roles, say)
