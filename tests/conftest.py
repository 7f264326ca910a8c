"""Fixtures by concern, each in a module of its own; and how hypothesis works here."""

import os

from hypothesis import HealthCheck, settings

from tests.fixtures.assets import assets
from tests.fixtures.database import database, empty_database
from tests.fixtures.gstreamer import gstreamer
from tests.fixtures.helm import helm
from tests.fixtures.nvrtc import nvrtc
from tests.fixtures.order import pytest_collection_modifyitems
from tests.fixtures.servers import pytest_report_header, servers

# The machine is shared: no deadline per example. A developer's runs try other examples every time;
# CI's try the same ones for the same commit, so that a red run is the commit's own fault.
settings.register_profile(
    "onehertz",
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("onehertz")

# For a device alone: `make test-gpu` (its own conftest.py says how).
collect_ignore = ["gpu"]

__all__ = [
    "assets",
    "database",
    "empty_database",
    "gstreamer",
    "helm",
    "nvrtc",
    "pytest_collection_modifyitems",
    "pytest_report_header",
    "servers",
]
