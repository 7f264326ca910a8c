"""Run by `make test-containers` alone: images are built, and that takes minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.containers.compose import compose_command
from tests.fixtures.servers import find_images

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--containers", action="store_true", help="Run what needs a Docker engine and its images."
    )


def _missing(config: pytest.Config) -> str:
    """Why these tests can't run; empty where they can."""
    if not config.getoption("containers", default=False):
        return "run by make test-containers"
    images, why = find_images()
    if images is None:
        return why
    return "" if compose_command() else "neither 'docker compose' nor docker-compose is there"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mine = [item for item in items if HERE in item.path.parents]
    if mine and (why := _missing(config)):
        for item in mine:
            item.add_marker(pytest.mark.skip(reason=why))
