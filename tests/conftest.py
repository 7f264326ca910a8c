"""Fixtures by concern, each in a module of its own."""

from tests.fixtures.assets import assets
from tests.fixtures.database import database, empty_database
from tests.fixtures.servers import pytest_report_header, servers

__all__ = ["assets", "database", "empty_database", "pytest_report_header", "servers"]
