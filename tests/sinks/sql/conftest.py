"""A connection and a writer on a database of their own."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from sinks.sql.connection import connect
from sinks.sql.writer import Writer


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with connect(database) as connection:
        yield connection


@pytest.fixture
def writer(connection: psycopg.Connection) -> Writer:
    return Writer(connection)
