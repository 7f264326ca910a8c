"""The fake pair, and a site on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.gpu.site import MODELS, Site
from tests.gpu.fakes import FakePair


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePair]:
    """Fails where it was used as no device may be."""
    monkeypatch.delenv(MODELS, raising=False)
    found = FakePair(tmp_path)
    found.install()
    yield found
    found.uninstall()
    assert found.machine.misuse == []


@pytest.fixture
def fake_site(pair: FakePair, tmp_path: Path) -> Site:
    return pair.site(tmp_path / "cache")
