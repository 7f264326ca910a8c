"""What the demo needs before it plays, and what it does without some of it."""

from __future__ import annotations

import shutil
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from onehertz.assets import AssetsUnavailable, load_catalogue
from onehertz.assets.progress import SilentProgress
from onehertz.demo.plan import Plan
from onehertz.demo.prepare import (
    DETECTOR,
    alone,
    configure,
    fetch_assets,
    forget_earlier,
    make_database,
)
from onehertz.stack.status import Endpoints
from runtime.errors import UserError
from runtime.kafka import admin_client
from runtime.topics import create_topics
from tests.fixtures.assets import FetchedAssets
from tests.fixtures.servers import Servers
from tests.waiting import eventually

PLAN = Plan(6, 4.0, datetime(2026, 11, 1, 12, tzinfo=UTC))
NOW_US = 1_790_000_000_000_000


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no source that could fill it."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("ONEHERTZ_CACHE", str(cache))
    monkeypatch.setenv("PATH", str(tmp_path))
    # Port 9 is `discard`: nobody listens there.
    for name in ("HTTPS_PROXY", "https_proxy", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_RETRIES", "0")
    return cache


def put(cache: Path, assets: FetchedAssets, *names: str) -> None:
    """As if these had been fetched earlier."""
    for name in names:
        asset = load_catalogue().asset(name)
        target = cache / "assets" / asset.sha256 / asset.file
        target.parent.mkdir(parents=True)
        shutil.copyfile(assets.need(name), target)


@pytest.fixture
def fetched(assets: FetchedAssets) -> FetchedAssets:
    """Asked for before the sources are out of reach."""
    for name in (*DETECTOR, "tree"):
        assets.need(name)
    return assets


def test_without_a_detector_there_is_no_demo_and_it_is_told_what_to_put_where(
    offline: Path,
) -> None:
    with pytest.raises(AssetsUnavailable) as raised:
        fetch_assets(print, nullcontext(SilentProgress()))
    assert raised.value.names == DETECTOR
    assert str(offline / "assets") in str(raised.value)


def test_without_clips_the_street_alone_is_played_and_it_is_told(
    fetched: FetchedAssets, offline: Path
) -> None:
    put(offline, fetched, *DETECTOR)
    told: list[str] = []
    assert fetch_assets(told.append, nullcontext(SilentProgress())) == {}
    assert "vtest, tree" in told[0]
    assert told[1] == "no clip: the demo plays the synthetic street alone"


def test_one_clip_is_better_than_none(fetched: FetchedAssets, offline: Path) -> None:
    put(offline, fetched, *DETECTOR, "tree")
    told: list[str] = []
    assert set(fetch_assets(told.append, nullcontext(SilentProgress()))) == {"tree"}
    (line,) = told
    assert "vtest" in line
    assert "tree" not in line


def test_a_clip_with_another_hash_is_not_played(fetched: FetchedAssets, offline: Path) -> None:
    put(offline, fetched, *DETECTOR, "tree")
    tree = load_catalogue().asset("tree")
    path = offline / "assets" / tree.sha256 / tree.file
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert fetch_assets(lambda _line: None, nullcontext(SilentProgress())) == {}


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with alone(folder), pytest.raises(UserError, match="another demo runs here"), alone(folder):
        pass
    with alone(folder):
        pass


@pytest.mark.stack
def test_each_demo_has_topics_and_tables_of_its_own_and_forgets_those_before(
    servers: Servers, tmp_path: Path
) -> None:
    endpoints = Endpoints(servers.bootstrap_servers, servers.dsn)
    first = configure(tmp_path, endpoints, {}, PLAN, NOW_US)
    second = configure(tmp_path, endpoints, {}, PLAN, NOW_US + 1_000)
    assert first.settings.line.prefix != second.settings.line.prefix
    for prepared in (first, second):
        create_topics(prepared.settings.kafka, prepared.settings.line)
        make_database(endpoints, prepared)
    with closing(psycopg.connect(first.dsn)) as left_open:  # as by a role of a killed demo
        left_open.execute("SELECT 1")
        forget_earlier(endpoints, second)
    assert _databases(servers, (first.dsn, second.dsn)) == [False, True]
    admin = admin_client(second.settings.kafka)

    def prefixes() -> set[str]:
        there = admin.list_topics(timeout=15).topics
        return {name[: len(second.name) + 6] for name in there if name.startswith("demo-")}

    eventually(lambda: prefixes() == {second.settings.line.prefix})  # a broker deletes by and by
    forget_earlier(endpoints, replace(second, name="none-of-them"))
    assert _databases(servers, (second.dsn,)) == [False]


def _databases(servers: Servers, dsns: tuple[str, ...]) -> list[bool]:
    with psycopg.connect(servers.dsn) as connection:
        there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
    return [str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]) in there for dsn in dsns]


def test_the_configuration_is_not_for_others_to_read(tmp_path: Path) -> None:
    endpoints = Endpoints("127.0.0.1:9", "postgresql://me@127.0.0.1/postgres")
    prepared = configure(tmp_path, endpoints, {}, PLAN, NOW_US)
    assert prepared.config.stat().st_mode & 0o077 == 0
