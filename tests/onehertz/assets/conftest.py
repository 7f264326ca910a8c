"""What the assets' tests share: a server, a cache of their own, and assets to fetch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from onehertz.assets.catalogue import Asset
from onehertz.assets.client_process import Patience
from tests.fixtures.assets import assets  # noqa: F401 - a fixture
from tests.onehertz.assets.servers import FileServer, sha256

MakeAsset = Callable[..., Asset]


@pytest.fixture(autouse=True)
def direct_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the machine's can't reach this machine's test servers."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, also for code that looks it up in the environment."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ONEHERTZ_CACHE", str(folder))
    return folder


@pytest.fixture
def patience() -> Patience:
    return Patience(connect_s=5.0, silence_s=60.0)


@pytest.fixture
def make_asset() -> MakeAsset:
    """An asset with this content and these sources (mappings as in the catalogue)."""

    def make(name: str, content: bytes, *sources: dict[str, Any]) -> Asset:
        return Asset.model_validate(
            {
                "name": name,
                "kind": "clip",
                "file": f"{name}.bin",
                "about": "a test's",
                "sha256": sha256(content),
                "size_bytes": len(content),
                "licence": "CC0-1.0",
                "attribution": "nobody",
                "sources": sources,
            }
        )

    return make
