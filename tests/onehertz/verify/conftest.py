"""Lines that were filled by hand, with no stage running: on real servers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from runtime.kafka import KafkaSettings
from sinks.sql.migrate import migrate
from tests.fixtures.database import new_database
from tests.fixtures.servers import Servers
from tests.onehertz.verify.filled import FilledLine, new_line, publish
from tests.onehertz.verify.story import Story, tell


@pytest.fixture(scope="session")
def kafka(servers: Servers) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=servers.bootstrap_servers)


@pytest.fixture(scope="session")
def layout(servers: Servers) -> Iterator[str]:
    """DSN of a database without rows, to copy."""
    with new_database(servers.dsn) as dsn:
        migrate(dsn)
        yield dsn


@pytest.fixture(scope="session")
def whole_line(servers: Servers, kafka: KafkaSettings, layout: str) -> Iterator[FilledLine]:
    """Topics that hold the whole story, and a database of its rows to copy."""
    line = new_line()
    story = tell(line.prefix)
    publish(kafka, line, story)
    with _copy(servers.dsn, layout) as dsn:
        filled = FilledLine(kafka, line, dsn, story)
        filled.write_rows()
        yield filled


@pytest.fixture
def clean(servers: Servers, whole_line: FilledLine) -> Iterator[FilledLine]:
    """Nothing is wrong with it. Its tables are this test's alone, its topics are not."""
    with _copy(servers.dsn, whole_line.dsn) as dsn:
        yield FilledLine(whole_line.kafka, whole_line.line, dsn, whole_line.story)


@pytest.fixture
def fill(
    servers: Servers, kafka: KafkaSettings, layout: str
) -> Iterator[Callable[..., FilledLine]]:
    """Makes a line of this test's own from what `write` makes of a prefix."""
    databases = ExitStack()

    def make(write: Callable[[str], Story], *, done: bool = True, rows: bool = True) -> FilledLine:
        line = new_line()
        story = write(line.prefix)
        publish(kafka, line, story, done=done)
        dsn = databases.enter_context(_copy(servers.dsn, layout))
        filled = FilledLine(kafka, line, dsn, story)
        if rows:
            filled.write_rows()
        return filled

    with databases:
        yield make


@contextmanager
def _copy(server_dsn: str, template_dsn: str) -> Iterator[str]:
    """DSN of a new database that is as the template: five times as fast as migrating it."""
    template = str(conninfo_to_dict(template_dsn)["dbname"])
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        copied = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(copied.format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield make_conninfo(server_dsn, dbname=name)
    finally:
        with psycopg.connect(server_dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
