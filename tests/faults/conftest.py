"""Lines under faults, and the line without faults that they are held against."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.assets import FetchedAssets
from tests.fixtures.servers import Servers
from tests.harness.compare import Ending, broken_promises, ending
from tests.harness.faults import run
from tests.harness.line import Line, open_line
from tests.harness.load import Load, street_load

TICKS = 80  # of each camera
DETECTOR = ("ssd-mobilenetv2-oidv4", "ssd-mobilenetv2-oidv4-labels")

NewLine = Callable[..., Line]


@pytest.fixture(scope="session")
def load(assets: FetchedAssets) -> Load:
    for name in DETECTOR:
        assets.need(name)
    return street_load(TICKS)


@pytest.fixture(scope="session")
def reference(servers: Servers, load: Load, tmp_path_factory: pytest.TempPathFactory) -> Ending:
    """What the load comes to where nothing goes wrong."""
    with open_line(servers, tmp_path_factory.mktemp("reference"), load.ticks) as line:
        load.produce(line)
        line.start_all("gate", "infer", "sql", "alerts")
        run(line)
        line.terminate_all()
        assert broken_promises(line) == []
        assert line.deaths == []
        return ending(line)


@pytest.fixture
def new_line(servers: Servers, load: Load, tmp_path: Path) -> Iterator[NewLine]:
    """Makes a line: `new_line(**settings)`."""
    with ExitStack() as opened:

        def make(**overrides: Any) -> Line:
            folder = tmp_path / f"line-{len(_lines)}"
            folder.mkdir()
            line = opened.enter_context(open_line(servers, folder, load.ticks, overrides))
            _lines.append(line)
            return line

        yield make
    _lines.clear()


_lines: list[Line] = []  # of the test that runs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.stack)
            item.add_marker(pytest.mark.line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A failure shows the faults and the ends of the logs."""
    report = yield
    if report.when == "call" and report.failed:
        for line in _lines:
            report.sections.append(("the line", line.logs()))
    return report
