"""Run by `make test-gpu` alone: what needs a real GPU, and what it says goes into docs/gpu.md.

`--fake-gpu` runs all of it on the tests' fake pair, in seconds: so that the first hour on a device
is not spent on typos. Imports nothing of the other tests' fixtures: the machine with the GPU may
have no Kafka, no PostgreSQL and no internet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import pytest

from benchmarks.gpu import findings, host
from benchmarks.gpu.__main__ import write_document
from benchmarks.gpu.findings import Finding
from benchmarks.gpu.parity import now
from benchmarks.gpu.site import TEN_MINUTES_S, Site, site
from runtime.errors import UserError

Record = Callable[[Finding], None]


@dataclass
class Outcome:
    """Of all tests of a claim."""

    passed: list[bool] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


_FOUND: pytest.StashKey[list[Finding]] = pytest.StashKey()
_OUTCOMES: pytest.StashKey[defaultdict[str, Outcome]] = pytest.StashKey()
_FAKE: pytest.StashKey[Any] = pytest.StashKey()  # a FakePair, where it was asked for


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--gpu", action="store_true", help="Run what needs a GPU.")
    parser.addoption("--fake-gpu", metavar="FOLDER", help="On the fake pair; results go there.")
    parser.addoption("--seconds", type=float, help="Of load, instead of ten minutes.")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Nothing of this is even read by `make test`."""
    return None if _is_asked(config) else True


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "claim(name): one of benchmarks/gpu/claims.py")
    config.stash[_FOUND], config.stash[_OUTCOMES] = [], defaultdict(Outcome)
    config.stash[_FAKE] = None
    if config.getoption("gpu", default=False) and (why := host.problem()):
        raise pytest.UsageError(f"no GPU to try: {why}")
    if (folder := config.getoption("fake_gpu", default=None)) is not None:
        # Imported here: a machine with a GPU has no use for it.
        from tests.gpu.fakes import FakePair

        config.stash[_FAKE] = FakePair(Path(folder))
        config.stash[_FAKE].install()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What was found is kept, whatever failed."""
    stash = session.config.stash
    found = [*stash[_FOUND], *(_of_marked(stash[_OUTCOMES]) if _ran_all(session.config) else ())]
    if not found:
        return
    fake = stash[_FAKE]
    if fake is not None:
        findings.keep(found, host.this_host(is_fake=True), fake.folder / "results")
        return
    click.echo(f"\nwritten: {findings.keep(found, host.this_host())}, {findings.DOCUMENT}")
    write_document()


@pytest.fixture(scope="session")
def the_site(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Site:
    """Skips, with the reason, where models or pictures are not there."""
    cache = tmp_path_factory.mktemp("engines")
    fake = pytestconfig.stash[_FAKE]
    try:
        found = fake.site(cache) if fake is not None else site(cache)
    except UserError as error:
        pytest.skip(str(error))
    seconds = pytestconfig.getoption("seconds")
    return replace(found, load_s=seconds) if seconds else found


@pytest.fixture
def record(pytestconfig: pytest.Config) -> Record:
    """Keeps a finding, and fails the test if it is not what is wanted.

    One of less than the ten minutes of load that the claim speaks of is not kept.
    """

    def keep(finding: Finding) -> None:
        if finding.values.get("seconds", TEN_MINUTES_S) == TEN_MINUTES_S or _is_fake(pytestconfig):
            pytestconfig.stash[_FOUND].append(finding)
        assert finding.passed, finding.figure

    return keep


@pytest.fixture
def noted(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says a figure of the claim that the test is marked with."""
    return request.config.stash[_OUTCOMES][_claim(request.node)].notes.append


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of tests that are marked with a claim: all of them together are one finding."""
    report = yield
    if (claim := _claim(item)) and (report.when == "call" or report.failed):
        item.config.stash[_OUTCOMES][claim].passed.append(report.passed)
    return report


def _ran_all(config: pytest.Config) -> bool:
    """Whether all tests of a claim were asked for: some of them prove nothing of the whole."""
    option = config.option
    return not (option.keyword or option.markexpr or any("::" in one for one in config.args))


def _is_asked(config: pytest.Config) -> bool:
    asked = config.getoption("gpu", default=False) or config.getoption("fake_gpu", default=None)
    return bool(asked)


def _is_fake(config: pytest.Config) -> bool:
    return config.stash[_FAKE] is not None


def _claim(item: pytest.Item) -> str:
    mark = item.get_closest_marker("claim")
    return str(mark.args[0]) if mark else ""


def _of_marked(outcomes: dict[str, Outcome]) -> Iterator[Finding]:
    for claim, outcome in outcomes.items():
        tests = f"{sum(outcome.passed)} of {len(outcome.passed)} tests pass"
        figure = "; ".join([tests, *outcome.notes])
        passed = bool(outcome.passed) and all(outcome.passed)
        yield Finding(claim=claim, passed=passed, figure=figure, at=now())
